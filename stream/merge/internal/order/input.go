package order

import "time"

// input is one of the inputs of a Merge.
type input struct {
	rule  *Rule
	items []item // from first on
	first int

	// clock is how far its times have got and are believed. read counts the records by which it began.
	clock int64
	read  int

	// ahead counts the records that confirm a jump of the clock to the time to, the smallest of theirs. wrong counts those whose
	// times are not believed. Each record of another kind takes one away.
	ahead, wrong int
	to           int64
	astray       bool // wrong has come to Confirm and not back to 0

	proved int64 // what had come to others by then does not wait
	ended  bool
	left   bool      // waited for as long as Patience
	since  time.Time // waited for since then; zero is not

	counts Counts
}

// item is a record.
type item struct {
	at    int64 // None: none that is believed
	seq   int64
	check bool // odd if those behind it say so
}

func (in *input) len() int    { return len(in.items) - in.first }
func (in *input) head() *item { return &in.items[in.first] }

func (in *input) drop() {
	in.first++
	switch {
	case in.first == len(in.items):
		in.items, in.first = in.items[:0], 0
	case in.first >= 1024 && in.first >= len(in.items)/2:
		n := copy(in.items, in.items[in.first:])
		in.items, in.first = in.items[:n], 0
	}
}

// push adds a record. latest is what is believed at most.
func (in *input) push(t, seq, latest int64) {
	if t == None || t > latest {
		in.misled(t != None)
		in.items = append(in.items, item{at: None, seq: seq})
		return
	}
	it := item{at: t, seq: seq}
	far := t - in.clock
	switch near := int64(in.rule.Near); {
	case in.read < in.rule.Confirm: // the first one may be odd, so the smallest of some counts
		in.read++
		if it.check = true; in.read == 1 || t < in.clock {
			in.clock = t
		}
	case far > near:
		it.check = true
		in.jumps(t)
	case far < -near:
		in.misled(true)
	default:
		if far > 0 {
			in.clock = t
		}
		in.ahead, in.wrong = max(in.ahead-1, 0), max(in.wrong-1, 0)
		if in.wrong == 0 {
			in.astray = false
		}
	}
	in.items = append(in.items, it)
}

// jumps counts a record that is far ahead.
func (in *input) jumps(t int64) {
	if in.ahead == 0 || t < in.to {
		in.to = t
	}
	in.wrong = max(in.wrong-1, 0)
	if in.ahead++; in.ahead >= in.rule.Confirm {
		in.clock, in.ahead, in.wrong, in.astray = in.to, 0, 0, false
	}
}

// misled counts a record whose time is not believed.
func (in *input) misled(timed bool) {
	if !timed {
		return
	}
	in.ahead = max(in.ahead-1, 0)
	if in.wrong = min(in.wrong+1, in.rule.Confirm); in.wrong == in.rule.Confirm {
		in.astray = true
	}
}

// key is the time by which the head takes its place. It is None, and the head goes at once, if it has none or is odd: most of the
// records behind it are far older.
func (in *input) key() int64 {
	h := in.head()
	rest, near := in.items[in.first+1:], int64(in.rule.Near)
	if h.at == None || !h.check && (len(rest) == 0 || rest[0].at == None || h.at-rest[0].at <= near) {
		return h.at
	}
	older, newer := 0, 0
	for i := range rest[:min(len(rest), in.rule.Confirm)] {
		switch at := rest[i].at; {
		case at == None:
		case h.at-at > near:
			older++
		default:
			newer++
		}
	}
	if older > newer {
		return None
	}
	return h.at
}

// passed reports whether the input, which is empty, gets nothing that is older than a record.
func (in *input) passed(key, seq int64) bool {
	return in.ended || in.astray || key == None || seq <= in.proved || in.read > 0 && key <= in.clock
}

// lenient reports whether it is not waited for any longer.
func (in *input) lenient(now time.Time) bool {
	p := in.rule.Patience
	if p >= 0 && !in.since.IsZero() && now.Sub(in.since) >= p {
		in.left = true
	}
	return in.left
}
