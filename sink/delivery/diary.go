package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/tail"
	"github.com/onceflow/onceflow/sink"
)

// diary is the book of a Target that keeps no State: pages in the store, numbered from 1. Each is created once and has the whole
// State, so the last one counts. It is safe for concurrent use, also by several processes: who finds the number of its page taken
// reads that page and decides anew.
//
// No page is ever deleted, since a number that was free again could be created by a process that has slept meanwhile.
type diary struct {
	target Target
	name   string
	store  sink.Store // that tries again
	folder string
	now    func() time.Time

	mu   sync.Mutex // held during I/O
	last uint64     // number of the newest page that we know; 0 is none
	page State      // what it says; it is never changed
}

// page is how a page is stored.
type page struct {
	Format int    `json:"format"`
	Number uint64 `json:"number"`
	State
}

// pageFormat is the version of pages, maxPage how long one may be.
const (
	pageFormat = 1
	maxPage    = 16 << 20
)

func (d *diary) key(n uint64) string { return fmt.Sprintf("%s%020d.json", d.folder, n) }

func (d *diary) load(ctx context.Context, u *Unit) (Result, error) { return d.target.Load(ctx, u) }

func (d *diary) state(ctx context.Context) (State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.refresh(ctx)
	return d.page, err
}

// refresh reads the newest page.
func (d *diary) refresh(ctx context.Context) error {
	last, err := tail.Find(d.last, func(n uint64) (bool, error) {
		r, err := d.store.Open(ctx, d.key(n))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return true, r.Close()
	})
	if err != nil {
		return fmt.Errorf("delivery: look for the state of %q: %w", d.name, err)
	}
	if last == d.last {
		return nil
	}
	if last < d.last {
		return &LedgerError{Delivery: d.name, Why: fmt.Sprintf("its state is gone: %s was there", d.key(d.last))}
	}
	body, err := d.store.Read(ctx, d.key(last), maxPage)
	if err != nil {
		return fmt.Errorf("delivery: read the state of %q: %w", d.name, err)
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil || p.Number != last {
		return &LedgerError{Delivery: d.name, Why: fmt.Sprintf("%s is not what a delivery has written: %v", d.key(last), err)}
	}
	if p.Format != pageFormat {
		return &LedgerError{Delivery: d.name, Why: fmt.Sprintf("%s is of format %d, this version reads %d", d.key(last), p.Format, pageFormat)}
	}
	d.last, d.page = last, p.State
	return nil
}

// change writes a page with what edit makes of the State. edit may be called several times, and returns false if nothing is
// to be written. A reply that is lost is settled by what is there.
func (d *diary) change(ctx context.Context, edit func(*State) (bool, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		s := State{Cursor: d.page.Cursor, Parked: slices.Clone(d.page.Parked)}
		write, err := edit(&s)
		if err != nil || !write {
			return err
		}
		body, err := json.MarshalIndent(page{pageFormat, d.last + 1, s}, "", " ")
		if err != nil {
			return err
		}
		body = append(body, '\n')
		err = d.store.Create(ctx, d.key(d.last+1), body)
		if err == nil {
			d.last, d.page = d.last+1, s
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("delivery: write the state of %q: %w", d.name, err)
		}
		there, err := d.store.Read(ctx, d.key(d.last+1), maxPage)
		if err != nil {
			return fmt.Errorf("delivery: read the state of %q: %w", d.name, err)
		}
		if bytes.Equal(there, body) { // ours, or of a process that has decided the same
			d.last, d.page = d.last+1, s
			return nil
		}
		if err := d.refresh(ctx); err != nil {
			return err
		}
	}
}

// advance moves the cursor on, and never back. Whoever calls it has loaded all units up to c, from a cursor on that the diary
// has had, so no unit is left out.
func (d *diary) advance(ctx context.Context, c Cursor) error {
	return d.change(ctx, func(s *State) (bool, error) {
		if !s.Cursor.behind(c) {
			return false, nil
		}
		s.Cursor = c
		return true, nil
	})
}

func (d *diary) park(ctx context.Context, u *Unit, reason string) error {
	at := d.now().UTC()
	return d.change(ctx, func(s *State) (bool, error) {
		if !s.Cursor.behind(u.Cursor) {
			return false, nil // another process has decided about this unit
		}
		s.Cursor = u.Cursor
		s.Parked = append(s.Parked, Parked{Unit: u.ID, Cursor: u.Cursor, Reason: reason, At: at})
		return true, nil
	})
}

func (d *diary) attempt(ctx context.Context, id string) (p Parked, err error) {
	if _, err := d.state(ctx); err != nil {
		return Parked{}, err
	}
	err = d.change(ctx, func(s *State) (bool, error) {
		i := s.parked(id)
		if i < 0 {
			return false, notParked(d.name, id)
		}
		if !s.Parked[i].Open {
			s.Parked[i].Attempts++
			s.Parked[i].Open = true
			p = s.Parked[i]
			return true, nil
		}
		p = s.Parked[i]
		return false, nil
	})
	return p, err
}

func (d *diary) settle(ctx context.Context, u *Unit, reason string) error {
	return d.change(ctx, func(s *State) (bool, error) {
		i := s.parked(u.ID)
		switch {
		case i < 0:
			return false, nil // another process has settled the same attempt
		case reason == "":
			s.Parked = slices.Delete(s.Parked, i, i+1)
		case s.Parked[i].Attempts == u.Attempt:
			s.Parked[i].Open, s.Parked[i].Reason = false, reason
		default:
			return false, nil
		}
		return true, nil
	})
}
