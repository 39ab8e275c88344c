package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/delivery"
)

// tenant is a worker that pulls the rows of some keys now and then. It may be away for so long that packs go. In the end it has
// each row of its keys in sealed hours once. It is not a process of the simulation: its calls do not fail, and nothing comes
// between them. It draws from a source of its own, so that a run is the same with it.
type tenant struct {
	world *world
	rng   *rand.Rand
	keys  []bykey.Path
	each  int // steps between two readings, about

	opts   bykey.Options
	reader *bykey.Reader // nil until the job has begun
	at     uint64        // position
	rows   map[time.Time][]string
	behind int // how often a pack that it needed was gone
}

func newTenant(w *world, seed uint64) *tenant {
	t := &tenant{world: w, rng: rand.New(rand.NewPCG(seed, 11)), opts: bykey.Options{Poll: -1}, rows: map[time.Time][]string{}}
	t.each = []int{50, 150, 1000}[t.rng.IntN(3)]
	for _, key := range "13579d" { // half of the records, and those that are old
		t.keys = append(t.keys, bykey.Path{{Name: "key", Value: string(key)}})
	}
	return t
}

// happen lets the tenant read now and then, if keys are in use.
func (t *tenant) happen() {
	if t.world.cfg.versions.merges && t.rng.IntN(t.each) == 0 {
		t.read()
	}
}

// read goes on to the end, and reports whether it got there.
func (t *tenant) read() bool {
	ctx := context.Background()
	if t.reader == nil {
		r, err := bykey.Open(ctx, t.world.store, "job", "views", &t.opts)
		if err != nil {
			return false // the job has not begun
		}
		t.reader = r
	}
	for u, err := range t.reader.Transactions(ctx, t.keys, t.at, 0) {
		if err == nil {
			err = t.take(ctx, u)
		}
		if gone, ok := errors.AsType[*bykey.GoneError](err); ok {
			err = t.replace(ctx, gone)
			if err == nil {
				return false
			}
		}
		if err != nil {
			t.world.check.bad.add("a reader by key at %d: %v", t.at, err)
			return false
		}
		t.at = u.Entry
	}
	return true
}

// take adds the rows of a unit, all or none.
func (t *tenant) take(ctx context.Context, u *bykey.Unit) error {
	more := map[time.Time][]string{}
	for p, err := range u.Parts(ctx) {
		if err != nil {
			return err
		}
		for r, err := range bykey.Rows(ctx, p, delivery.JSONLines[Row]()) {
			if err != nil {
				return err
			}
			if got := r.Owner[len(r.Owner)-1:]; got != p.Path[0].Value {
				return fmt.Errorf("the row %s of key %s came as one of %s", r.ID, got, p.Path[0].Value)
			}
			more[p.Hour] = append(more[p.Hour], fmt.Sprintf("%+v", r))
		}
	}
	for hour, rows := range more {
		t.rows[hour] = append(t.rows[hour], rows...)
	}
	return nil
}

// replace does what the error says.
func (t *tenant) replace(ctx context.Context, gone *bykey.GoneError) error {
	if !gone.Sealed {
		return gone
	}
	t.behind++
	for hour := range t.rows {
		if !hour.Before(gone.From) {
			delete(t.rows, hour)
		}
	}
	last := gone.From
	for u, err := range t.reader.Hours(ctx, t.keys, gone.From) {
		if err != nil {
			return err
		}
		if err := t.take(ctx, u); err != nil {
			return err
		}
		last = u.Hour
	}
	t.opts.From, t.reader = last.Add(hour), nil
	return nil
}

// finish reads the rest and compares: files of sealed hours were checked against packs without package bykey.
func (t *tenant) finish() {
	if !t.world.cfg.versions.merges {
		return
	}
	for tries := 0; !t.read(); tries++ {
		if len(t.world.check.bad.list) > 0 || tries > 100 {
			t.world.check.bad.add("a reader by key does not come to the end")
			return
		}
	}
	ctx := context.Background()
	all := &tenant{world: t.world, rows: map[time.Time][]string{}}
	for u, err := range t.reader.Hours(ctx, t.keys, time.Time{}) {
		if err == nil {
			err = all.take(ctx, u)
		}
		if err != nil {
			t.world.check.bad.add("a reader of hours by key: %v", err)
			return
		}
		got, want := slices.Sorted(slices.Values(t.rows[u.Hour])), slices.Sorted(slices.Values(all.rows[u.Hour]))
		if !slices.Equal(got, want) {
			t.world.check.bad.add("a reader by key, which was too late %d times, has of hour %s %d rows, its files have %d: %q and %q", t.behind, u.Hour, len(got), len(want), got, want)
			return
		}
	}
}
