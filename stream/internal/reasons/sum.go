package reasons

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// txnReasons is how many reasons a transaction has at most. A Status has as many as a lane.
const txnReasons = 16

// Sum adds up the reasons of the lanes of a commit and keeps the most frequent. It returns nil if there are none.
func Sum(lanes iter.Seq[map[record.Reason]int64]) map[record.Reason]int64 {
	var all map[record.Reason]int64
	for counts := range lanes {
		for k, n := range counts {
			if all == nil {
				all = map[record.Reason]int64{}
			}
			all[k] += n
		}
	}
	if len(all) <= txnReasons {
		return all
	}
	order := slices.SortedFunc(maps.Keys(all), func(a, b record.Reason) int {
		return cmp.Or(cmp.Compare(all[b], all[a]), cmp.Compare(a.Fate, b.Fate), cmp.Compare(a.Why, b.Why))
	})
	for _, k := range order[txnReasons:] {
		n := all[k]
		delete(all, k)
		all[record.Reason{Fate: k.Fate, Why: Other}] += n
	}
	return all
}

// Add returns the sum of two, with new keys up to the bound.
func Add(sum, more map[record.Reason]int64) map[record.Reason]int64 {
	if len(more) == 0 {
		return sum
	}
	sum = maps.Clone(sum) // others have got the old one
	if sum == nil {
		sum = map[record.Reason]int64{}
	}
	for _, k := range slices.SortedFunc(maps.Keys(more), func(a, b record.Reason) int {
		return cmp.Or(cmp.Compare(a.Fate, b.Fate), cmp.Compare(a.Why, b.Why))
	}) {
		n := more[k]
		if _, known := sum[k]; !known && len(sum) >= Most {
			k.Why = Other
		}
		sum[k] += n
	}
	return sum
}
