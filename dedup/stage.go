package dedup

import (
	"context"
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// ByID drops the events whose id another record holds, as record.Duplicate. An event with an empty id is passed on and
// counted. Of several events of one record with the same id the first is passed on. id must be a pure function; if it
// panics, the record goes to the dead-letter flow.
//
// The stage must not stand after one that holds records; Run refuses that. The caller closes the store, after Run has
// returned.
func ByID[T any](ids Store, id func(*T) string, opts *Options) stage.Stage[T, T] {
	s := &byID[T]{ids: ids, id: record.Recover(func(e *T) (string, error) { return id(e), nil })}
	s.opts, s.err = opts.filled()
	if ids == nil || id == nil {
		s.err = errors.Join(s.err, errors.New("dedup: a store and an id function are required"))
	}
	return s
}

type byID[T any] struct {
	ids  Store
	id   func(*T) (string, error)
	opts Options
	err  error
}

// Traits say that the stage decides which of several records wins, and that a local store knows the IDs of one lane at a
// time.
func (s *byID[T]) Traits() stage.Traits {
	_, local := s.ids.(Local)
	return stage.Traits{Name: "dedup", ClaimsFirst: true, LaneLocal: local, Err: s.err}
}

// Open opens the table of one lane.
func (s *byID[T]) Open(l *stage.Lane) (stage.Processor[T, T], error) {
	// Open has no context: the stage's own patience bounds it.
	space := Space{Name: s.opts.Name, Lane: l.Name, Window: s.opts.Window, Bucket: s.opts.Bucket}
	p := &processor[T]{byID: s}
	err := p.patiently(context.Background(), true, func(ctx context.Context) (err error) {
		p.table, err = s.ids.Open(ctx, space)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dedup: open %s for lane %s: %w", space.Name, l.Name, err)
	}
	p.local, _ = p.table.(Refiller)
	return p, nil
}
