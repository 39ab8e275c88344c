package order

import (
	"math"
	"time"
)

// None is the time of a record that has none.
const None = math.MinInt64

var (
	first = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	last  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// At is a time as a Merge reckons with it: in nanoseconds. It is None before 1900 and from 2100 on, so that no difference of two
// overflows.
func At(t time.Time) int64 {
	if t.Before(first) || !t.Before(last) {
		return None
	}
	return t.UnixNano()
}

// Rule is how times are believed and how long an input is waited for.
type Rule struct {
	// Near is how far a time may be from its input's clock to be believed at once. A record that is farther ahead of the records
	// behind it is odd: it goes at once and moves no clock.
	Near time.Duration

	// Ahead is how far beyond the present a time may be. One that is farther is not believed.
	Ahead time.Duration

	// Confirm is how many more records than contradict it confirm a jump of a clock, or that an input's clock is wrong.
	Confirm int

	// Disorder is how far records may be behind newer ones that went before. It is only counted by.
	Disorder time.Duration

	// Patience is how long an empty input may hold the others. Negative is for ever.
	Patience time.Duration
}

// Counts are of the records that have gone.
type Counts struct {
	Records int64 // of this input
	Odd     int64 // of them: without a time, or with one that is not believed
	Behind  int64 // of them: more than Disorder behind a newer record that went before
	Without int64 // of other inputs, that went without this one since it was empty for longer than Patience
}

// Merge brings the records of its inputs into one order.
//
// A record goes if no other input has an older one, nor may get one. An input that is empty may get one, unless its clock has
// passed the record, it was proved to end when the record was here already, it has ended, or it is not waited for: since its clock
// is wrong, or it was waited for long enough. Records of one input keep their order.
//
// So if times within each input are at most d behind newer ones before them, so they are in what goes.
type Merge struct {
	rule   Rule
	in     []input
	seq    int64 // of the last Push
	newest int64 // that went and is believed
}

// New makes a merge of n empty inputs.
func New(n int, r *Rule) *Merge {
	m := &Merge{rule: *r, in: make([]input, n), newest: At(first)}
	for i := range m.in {
		m.in[i].rule = &m.rule
	}
	return m
}

// Push adds records behind those of input i. now, the present, bounds what is believed.
func (m *Merge) Push(i int, times []int64, now time.Time) {
	if len(times) == 0 {
		return
	}
	m.seq++
	in := &m.in[i]
	in.since, in.left = time.Time{}, false
	latest := At(now.Add(m.rule.Ahead))
	for _, t := range times {
		in.push(t, m.seq, latest)
	}
}

// End says that input i gets no more.
func (m *Merge) End(i int) { m.in[i].ended = true }

// Stamp is what Prove is given of a question that is asked now.
func (m *Merge) Stamp() int64 { return m.seq }

// Prove says that the log of input i ended behind what was pushed, at some time after Stamp. What others had by then does not wait
// for it.
func (m *Merge) Prove(i int, stamp int64) {
	in := &m.in[i]
	in.proved = max(in.proved, stamp)
	in.since, in.left = time.Time{}, false
}

// Empty reports whether input i has nothing.
func (m *Merge) Empty(i int) bool { return m.in[i].len() == 0 }

// Counts are of input i.
func (m *Merge) Counts(i int) Counts { return m.in[i].counts }

// Next takes at most most records of one input, which go next. n is 0 if none may go: then Holds tells who is waited for. now is for
// Patience.
func (m *Merge) Next(now time.Time, most int) (i, n int) {
	best := -1
	var key, limit int64 // limit is the key of the second
	bounded := false
	for k := range m.in {
		if m.in[k].len() == 0 {
			continue
		}
		switch at := m.in[k].key(); {
		case best < 0:
			best, key = k, at
		case at < key:
			best, key, limit, bounded = k, at, key, true
		case !bounded || at < limit:
			limit, bounded = at, true
		}
	}
	if best < 0 {
		m.free()
		return 0, 0
	}
	in, scarce := &m.in[best], m.scarce()
	for n < most && in.len() > 0 {
		if n > 0 {
			if key = in.key(); bounded && key > limit {
				break
			}
		}
		if scarce && !m.may(key, in.head().seq, now) {
			break
		}
		m.pop(in, key)
		n++
	}
	if n == 0 {
		m.wait(key, in.head().seq, now)
	}
	return best, n
}

// scarce reports whether an input is empty.
func (m *Merge) scarce() bool {
	for k := range m.in {
		if m.in[k].len() == 0 {
			return true
		}
	}
	return false
}

// may reports whether no empty input keeps a record back.
func (m *Merge) may(key int64, seq int64, now time.Time) bool {
	for k := range m.in {
		if e := &m.in[k]; e.len() == 0 && !e.passed(key, seq) && !e.lenient(now) {
			return false
		}
	}
	for k := range m.in { // it goes
		if e := &m.in[k]; e.left && e.len() == 0 && !e.passed(key, seq) {
			e.counts.Without++
		}
	}
	return true
}

// wait notes who is waited for.
func (m *Merge) wait(key int64, seq int64, now time.Time) {
	for k := range m.in {
		e := &m.in[k]
		switch {
		case e.len() > 0 || e.passed(key, seq) || e.left:
			e.since = time.Time{}
		case e.since.IsZero():
			e.since = now
		}
	}
}

// free notes that nobody waits.
func (m *Merge) free() {
	for k := range m.in {
		m.in[k].since = time.Time{}
	}
}

// Rest forgets for how long inputs have been waited for: they could give nothing.
func (m *Merge) Rest() { m.free() }

// Hold is an input that is waited for.
type Hold struct {
	Input int
	Since time.Time
	Until time.Time // Patience ends; zero is never
}

// Holds appends those that the last Next found to be waited for.
func (m *Merge) Holds(to []Hold) []Hold {
	for k := range m.in {
		if e := &m.in[k]; !e.since.IsZero() {
			h := Hold{Input: k, Since: e.since}
			if m.rule.Patience >= 0 {
				h.Until = e.since.Add(m.rule.Patience)
			}
			to = append(to, h)
		}
	}
	return to
}

// Left reports whether input i is not waited for since it was for long enough, and Astray whether since its clock is wrong.
func (m *Merge) Left(i int) bool { return m.in[i].left }

// Astray reports whether the clock of input i is wrong.
func (m *Merge) Astray(i int) bool { return m.in[i].astray }

// pop takes the head of in, which goes by the given key.
func (m *Merge) pop(in *input, key int64) {
	t, c := in.head().at, &in.counts
	c.Records++
	switch {
	case key == None:
		c.Odd++
	case m.newest-t > int64(m.rule.Disorder):
		c.Behind++
	case t > m.newest && !in.head().check:
		m.newest = t
	}
	in.drop()
}
