package delivery

import (
	"context"
	"fmt"
	"io/fs"
)

// book is where the State of a delivery is kept: in the target, or in the store.
type book interface {
	// state reads it anew.
	state(ctx context.Context) (State, error)

	// load loads a unit, and moves the cursor if the target keeps it. Else advance does, which may be called for the last of
	// several units.
	load(ctx context.Context, u *Unit) (Result, error)
	advance(ctx context.Context, c Cursor) error

	// park moves the cursor over a unit that was refused.
	park(ctx context.Context, u *Unit, reason string) error

	// attempt begins to take a unit up, and settle ends it. An empty reason says that it was loaded.
	attempt(ctx context.Context, id string) (Parked, error)
	settle(ctx context.Context, u *Unit, reason string) error
}

// kept is the book of a Keeper.
type kept struct {
	target Keeper
	name   string
}

func (k kept) state(ctx context.Context) (State, error)            { return k.target.State(ctx, k.name) }
func (k kept) load(ctx context.Context, u *Unit) (Result, error)   { return k.target.Load(ctx, u) }
func (k kept) advance(context.Context, Cursor) error               { return nil }
func (k kept) park(ctx context.Context, u *Unit, why string) error { return k.target.Park(ctx, u, why) }

// attempt needs no note: the transaction of Load takes the unit out, once.
func (k kept) attempt(ctx context.Context, id string) (Parked, error) {
	s, err := k.target.State(ctx, k.name)
	if err != nil {
		return Parked{}, err
	}
	i := s.parked(id)
	if i < 0 {
		return Parked{}, notParked(k.name, id)
	}
	s.Parked[i].Attempts++
	return s.Parked[i], nil
}

func (k kept) settle(ctx context.Context, u *Unit, reason string) error {
	if reason == "" {
		return nil
	}
	return k.target.Park(ctx, u, reason)
}

func notParked(delivery, id string) error {
	return fmt.Errorf("delivery: no unit %q is parked in %q: %w", id, delivery, fs.ErrNotExist)
}
