package deliverytest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
)

// table is a storage in memory. bug is the mistake that its targets make; "" is none.
type table struct {
	bug    string
	mu     sync.Mutex
	rows   []int64
	names  map[string]bool // of units that are loaded
	states map[string]delivery.State
}

// named is a Target that knows units by their names, keeping one that keeps the cursor.
type (
	named   struct{ *table }
	keeping struct{ *table }
)

func storage(bug string, keeps bool) func(*testing.T) deliverytest.Storage {
	return func(*testing.T) deliverytest.Storage {
		db := &table{bug: bug, names: map[string]bool{}, states: map[string]delivery.State{}}
		return deliverytest.Storage{
			Open: func() (delivery.Target, error) {
				if keeps {
					return keeping{db}, nil
				}
				return named{db}, nil
			},
			Rows: func() ([]int64, error) {
				db.mu.Lock()
				defer db.mu.Unlock()
				return slices.Clone(db.rows), nil
			},
		}
	}
}

// read returns the rows of a unit. The bug "loads up to the bad row" leaves those there that come before.
func (db *table) read(ctx context.Context, u *delivery.Unit) (ids []int64, err error) {
	if db.bug == "reads files alone" {
		files := *u
		files.Packs = nil
		u = &files
	}
	for row, err := range delivery.Rows(ctx, u, deliverytest.Flow, delivery.JSONLines[deliverytest.Row]()) {
		if err != nil {
			return nil, err
		}
		if len(row.Value.Note) > 100 {
			if db.bug == "loads up to the bad row" {
				db.mu.Lock()
				db.rows = append(db.rows, ids...)
				db.mu.Unlock()
			}
			if db.bug == "takes what it should refuse for a failure" {
				return nil, errors.New("too long")
			}
			return nil, delivery.Refuse(errors.New("too long"))
		}
		ids = append(ids, row.Value.ID)
	}
	if db.bug == "loses the last row" {
		ids = ids[:max(0, len(ids)-1)]
	}
	return ids, nil
}

func (db named) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	if db.bug == "hides the end of ctx" && ctx.Err() != nil {
		return delivery.Result{}, errors.New("no")
	}
	ids, err := db.read(ctx, u)
	if err != nil {
		return delivery.Result{}, err
	}
	db.mu.Lock()
	known := db.names[u.ID]
	if db.bug == "looks, then loads" {
		db.mu.Unlock()
		time.Sleep(time.Millisecond) //nolint:forbidigo // the mistake needs the others to come between
		db.mu.Lock()
	}
	defer db.mu.Unlock()
	switch {
	case known && db.bug == "fails for what it knows":
		return delivery.Result{}, errors.New("exists")
	case known && db.bug != "forgets names":
		return delivery.Result{Rows: u.Rows()}, nil
	}
	db.names[u.ID] = true
	db.rows = append(db.rows, ids...)
	return delivery.Result{Rows: int64(len(ids))}, nil
}

func (db keeping) State(_ context.Context, name string) (delivery.State, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.bug == "has one state" {
		name = ""
	}
	s := db.states[name]
	s.Parked = slices.Clone(s.Parked)
	return s, nil
}

// change is a transaction. apply is called once it cannot fail any more.
func (db keeping) change(u *delivery.Unit, edit func(*delivery.State) error, apply func()) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	name := u.Delivery
	if db.bug == "has one state" {
		name = ""
	}
	s := db.states[name]
	s.Parked = slices.Clone(s.Parked)
	i := slices.IndexFunc(s.Parked, func(p delivery.Parked) bool { return p.Unit == u.ID })
	switch {
	case u.Attempt > 0 && i < 0 && db.bug != "takes up what is not parked":
		return delivery.ErrFenced
	case u.Attempt == 0 && !s.Cursor.Equal(u.After) && db.bug != "does not compare the cursor":
		return delivery.ErrFenced
	}
	if u.Attempt == 0 || db.bug == "moves the cursor back when it takes up" {
		s.Cursor = u.Cursor
	}
	if err := edit(&s); err != nil {
		return err
	}
	db.states[name] = s
	apply()
	return nil
}

func (db keeping) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	ids, err := db.read(ctx, u)
	if err != nil {
		if db.bug == "moves the cursor over what it refuses" {
			_ = db.change(u, func(*delivery.State) error { return nil }, func() {})
		}
		return delivery.Result{}, err
	}
	if db.bug == "loads before it compares" {
		db.mu.Lock()
		db.rows = append(db.rows, ids...)
		db.mu.Unlock()
	}
	if db.bug == "leaves empty units out" && len(u.Files) == 0 {
		return delivery.Result{}, nil
	}
	err = db.change(u, func(s *delivery.State) error {
		if db.bug != "keeps it parked" {
			s.Parked = slices.DeleteFunc(s.Parked, func(p delivery.Parked) bool { return p.Unit == u.ID && u.Attempt > 0 })
		}
		return nil
	}, func() {
		if db.bug != "loads before it compares" {
			db.rows = append(db.rows, ids...)
		}
	})
	if err != nil {
		return delivery.Result{}, err
	}
	return delivery.Result{Rows: int64(len(ids))}, nil
}

func (db keeping) Park(_ context.Context, u *delivery.Unit, reason string) error {
	return db.change(u, func(s *delivery.State) error {
		p := delivery.Parked{Unit: u.ID, Cursor: u.Cursor, Reason: reason, At: time.Now(), Attempts: u.Attempt}
		if db.bug == "parks without a cursor" {
			p.Cursor = delivery.Cursor{}
		}
		if i := slices.IndexFunc(s.Parked, func(p delivery.Parked) bool { return p.Unit == u.ID }); i >= 0 {
			if db.bug != "keeps the first reason" {
				s.Parked[i].Reason, s.Parked[i].Attempts = reason, u.Attempt
			}
			return nil
		}
		if db.bug != "forgets what is parked" {
			s.Parked = append(s.Parked, p)
		}
		return nil
	}, func() {})
}
