package delivery

import (
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"
)

// Status is what a Delivery can tell of itself. Counts are of this process, since Open.
type Status struct {
	Delivery string

	// Cursor is up to where all is loaded or parked, as far as this process knows.
	Cursor Cursor
	Lag    Lag

	Units, Rows, Bytes int64   // loaded; Bytes are those of files, compressed
	Rejected           int64   // rows that the target has put aside
	Rate               float64 // rows loaded per second, over the last ten
	Loading            int     // units that are read and not settled

	Parked []Parked // units that wait for TakeUp, as of the last change that this process has seen

	Condition Condition
	Since     time.Time // when the Condition began
	LastError error     // the last one of what fails; it stays once that works again
}

// Condition says whether a delivery gets on.
type Condition string

const (
	Works   Condition = ""        // or has nothing to do
	Fails   Condition = "failing" // the target or the store; it is tried again
	Refused Condition = "refused" // access, which a person has to give; it is tried again
	Blocked Condition = "blocked" // by a unit that the target refuses, where order matters
)

// Lag is how far a delivery is behind the job.
type Lag struct {
	// Entries is the number of entries of the ledger that are not delivered, -1 if it is not known, as with hours.
	Entries int64

	// Time is for how long the oldest unit has waited that is not loaded: since this process has met it, or, of an hour, since it
	// was closed. It is 0 if all is loaded that was read.
	Time time.Duration
}

// board collects what the Status shows. It is safe for concurrent use, and its lock is taken alone.
type board struct {
	mu      sync.Mutex
	s       Status
	end     uint64  // the last entry of the ledger that we know
	seen    uint64  // the last entry that was read
	settle  uint64  // and that is delivered
	waiting []*Unit // read, and not settled
	rows    [10]int64
	turn    int
	failing map[string]error // by what fails
	since   time.Time        // when something began to fail
}

func newBoard() *board {
	return &board{failing: map[string]error{}, s: Status{Since: time.Now()}}
}

func (b *board) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// know takes over a State that was read. The units of the round before are read again.
func (b *board) know(s State) {
	b.set(func() {
		b.s.Parked = s.Parked
		if b.s.Cursor.behind(s.Cursor) {
			b.s.Cursor = s.Cursor
			b.settle = max(b.settle, s.Cursor.Entry)
		}
		b.waiting = slices.DeleteFunc(b.waiting, func(u *Unit) bool { return !s.Cursor.behind(u.Cursor) })
	})
}

func (b *board) tail() (n uint64) {
	b.set(func() { n = b.end })
	return n
}

func (b *board) ends(entry uint64) { b.set(func() { b.end = max(b.end, entry) }) }
func (b *board) saw(entry uint64)  { b.set(func() { b.seen = entry; b.end = max(b.end, entry) }) }

// read notes a unit that is about to be loaded.
func (b *board) read(u *Unit) {
	b.set(func() {
		if !slices.ContainsFunc(b.waiting, func(w *Unit) bool { return w.ID == u.ID }) {
			b.waiting = append(b.waiting, u)
		}
	})
}

func (b *board) loaded(u *Unit, r Result) {
	b.set(func() {
		if !u.empty() {
			b.s.Units++
		}
		b.s.Rows += r.Rows
		b.s.Rejected += r.Rejected
		b.s.Bytes += u.Bytes()
		b.forget(u)
	})
}

func (b *board) settled(u *Unit) { b.set(func() { b.forget(u) }) }

func (b *board) forget(u *Unit) {
	b.waiting = slices.DeleteFunc(b.waiting, func(w *Unit) bool { return w.ID == u.ID })
	b.settle = max(b.settle, u.Cursor.Entry)
}

func (b *board) moved(c Cursor) {
	b.set(func() {
		if b.s.Cursor.behind(c) {
			b.s.Cursor = c
		}
	})
}

// tick moves the window of the rate.
func (b *board) tick() {
	b.set(func() {
		b.turn = (b.turn + 1) % len(b.rows)
		b.rows[b.turn] = b.s.Rows
	})
}

func (b *board) status(name string, hourly bool) (s Status) {
	b.set(func() {
		s = b.s
		s.Delivery, s.Loading = name, len(b.waiting)
		s.Parked = slices.Clone(b.s.Parked)
		s.Rate = max(0, float64(b.rows[b.turn]-b.rows[(b.turn+1)%len(b.rows)])/float64(len(b.rows)-1))
		s.Lag.Entries = -1
		done := b.settle
		if len(b.waiting) > 0 {
			s.Lag.Time = max(0, time.Since(b.waiting[0].seen))
		} else {
			done = max(done, b.seen)
		}
		if !hourly {
			s.Lag.Entries = int64(b.end - min(done, b.end))
		}
	})
	return s
}

// fails notes an error, and reports whether the condition is another one now.
func (b *board) fails(what string, err error) (c Condition, changed bool) {
	b.set(func() {
		if len(b.failing) == 0 {
			b.since = time.Now()
		}
		b.failing[what], b.s.LastError = err, err
		c, changed = b.condition()
	})
	return c, changed
}

// works notes that something does not fail any more. since is when it all began.
func (b *board) works(what string) (c Condition, changed bool, since time.Time) {
	b.set(func() {
		since = b.since
		if b.failing[what] != nil {
			delete(b.failing, what)
			c, changed = b.condition()
		}
	})
	return c, changed, since
}

// condition is the worst of all that fails.
func (b *board) condition() (Condition, bool) {
	c := Works
	for _, err := range b.failing {
		switch {
		case errors.Is(err, ErrRefused):
			c = Blocked
		case errors.Is(err, fs.ErrPermission) && c != Blocked:
			c = Refused
		case c == Works:
			c = Fails
		}
	}
	changed := c != b.s.Condition
	if changed {
		b.s.Condition, b.s.Since = c, time.Now()
	}
	return c, changed
}
