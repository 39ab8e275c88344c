package stream

import (
	"cmp"
	"maps"
	"slices"

	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
)

// txnReasons is how many reasons a transaction has at most. A Status has as many as a lane.
const txnReasons = 16

// sumReasons adds up those of all lanes and keeps the most frequent. It returns nil if there are none.
func sumReasons(lanes []core.Cut) map[record.Reason]int64 {
	var all map[record.Reason]int64
	for i := range lanes {
		for k, n := range lanes[i].Reasons {
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
		all[record.Reason{Fate: k.Fate, Why: core.OtherWhy}] += n
	}
	return all
}

// addReasons returns the sum of two, with new keys up to the bound.
func addReasons(sum, more map[record.Reason]int64) map[record.Reason]int64 {
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
		if _, known := sum[k]; !known && len(sum) >= core.MoreReasons {
			k.Why = core.OtherWhy
		}
		sum[k] += n
	}
	return sum
}
