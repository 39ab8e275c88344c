package stream

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// A transaction has 16 reasons at most, a lane and a Status 64. What is more counts as "other" of its fate.
const (
	txnReasons  = 16
	moreReasons = 64
	otherWhy    = "other"
	maxWhy      = 64 // bytes
)

// reasons numbers the reasons of a lane and counts its records. Number 0 is none.
type reasons struct {
	at     map[record.Reason]uint16
	list   []record.Reason
	n      []int64
	first  []*example    // since the last cut, of those that are told
	last   record.Reason // as it was given
	lastAt uint16

	late *example // the first late row since the last cut
}

// example is a record that is told about when its kind begins.
type example struct {
	reason    record.Reason
	partition record.Partition
	position  record.Position
	time      time.Time     // of the event; zero if it is not known
	behind    time.Duration // of the newest event of its partition
	err       error
}

// laneCut is what a cut says of a lane, with what the engine tells of it elsewhere.
type laneCut struct {
	driver.LaneCut
	reasons  map[record.Reason]int64
	examples []*example
}

func newReasons() reasons {
	return reasons{at: map[record.Reason]uint16{}, list: make([]record.Reason, 1), n: make([]int64, 1), first: make([]*example, 1)}
}

func (r *reasons) index(f record.Fate, why string) uint16 {
	if why == r.last.Why && f == r.last.Fate {
		return r.lastAt
	}
	given := record.Reason{Fate: f, Why: why}
	i := r.find(given)
	r.last, r.lastAt = given, i
	return i
}

func (r *reasons) find(given record.Reason) uint16 {
	if given.Why == "" {
		return 0
	}
	k := record.Reason{Fate: given.Fate, Why: printable(given.Why)}
	i, ok := r.at[k]
	if !ok && len(r.list) > moreReasons {
		k.Why = otherWhy
		i, ok = r.at[k]
	}
	if !ok {
		i = uint16(len(r.list))
		r.at[k], r.list, r.n, r.first = i, append(r.list, k), append(r.n, 0), append(r.first, nil)
	}
	return i
}

// take moves the counts and examples into c and begins anew.
func (r *reasons) take(c *laneCut) {
	for i, n := range r.n {
		if n > 0 && i > 0 {
			if c.reasons == nil {
				c.reasons = map[record.Reason]int64{}
			}
			c.reasons[r.list[i]] = n
		}
		if x := r.first[i]; x != nil {
			x.reason = r.list[i]
			c.examples = append(c.examples, x)
			r.first[i] = nil
		}
	}
	if r.late != nil {
		c.examples = append(c.examples, r.late)
		r.late = nil
	}
	clear(r.n)
}

// sumReasons adds up those of all lanes and keeps the most frequent. It returns nil if there are none.
func sumReasons(lanes []laneCut) map[record.Reason]int64 {
	var all map[record.Reason]int64
	for i := range lanes {
		for k, n := range lanes[i].reasons {
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
		all[record.Reason{Fate: k.Fate, Why: otherWhy}] += n
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
		if _, known := sum[k]; !known && len(sum) >= moreReasons {
			k.Why = otherWhy
		}
		sum[k] += n
	}
	return sum
}

// printable is s for a log and a ledger: valid, without what no printer shows, and short.
func printable(s string) string {
	plain := len(s) <= maxWhy
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < utf8.RuneSelf-1
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > maxWhy {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// deadWhy is the label of a dead letter.
func deadWhy(st string, err error) string {
	kind := "no error"
	_, panicked := errors.AsType[*record.PanicError](err)
	switch {
	case err == nil:
	case panicked:
		kind = "panic"
	case errors.Is(err, stage.ErrEventTime):
		kind = "event time"
	default:
		kind = kindOf(err.Error())
	}
	return cmp.Or(st, "a stage") + ": " + kind
}

// kindOf is an error's text without what differs from record to record: digits and quoted text become #.
func kindOf(text string) string {
	var b strings.Builder
	for i := 0; i < len(text) && b.Len() < maxWhy; i++ {
		c := text[i]
		end := -1
		switch {
		case c >= '0' && c <= '9':
			end = i
			for end+1 < len(text) && text[end+1] >= '0' && text[end+1] <= '9' {
				end++
			}
		case c == '"' || c == '`' || c == '\'':
			end = closing(text, i)
		}
		if end < 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('#')
		i = end
	}
	return b.String()
}

// closing is where the quoted text ends that begins at i; -1 if it is an apostrophe.
func closing(text string, i int) int {
	n := strings.IndexByte(text[i+1:], text[i])
	if n < 0 && text[i] != '\'' {
		return len(text) - 1 // what is quoted was cut
	}
	if text[i] == '\'' && (n < 0 || n > utf8.UTFMax+4) {
		return -1
	}
	return i + 1 + n
}
