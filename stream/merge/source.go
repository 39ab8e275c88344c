package merge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/internal/several"
	"github.com/onceflow/onceflow/stream/record"
)

// Source is one stream made of several. It is a driver.Source, with its rules of concurrent use, and also a driver.Follower and a
// driver.Reporter, whose methods may be called at any time, as Counts may.
type Source struct {
	inner *several.Source
	info  driver.SourceInfo

	// For the goroutine of Poll.
	roster  *roster
	memory  *memory
	ready   []*lane        // that may have something
	blocked map[*lane]bool // that wait for a side
	over    bool           // all sides have ended
	timer   *time.Timer

	prover *prover
	board  *board
}

// Open makes a source of sides, which it closes with itself, and also if it fails. naming, whose name is name, assigns the lanes; the
// others are read where it is. Names are as for stream.Sources. It fails unless each side has one topic, and all of them as many
// partitions. ctx bounds Open alone.
func Open(ctx context.Context, name string, naming driver.Source, others map[string]Given, o *Options) (*Source, error) {
	s, err := open(ctx, name, naming, others, o)
	if err == nil {
		return s, nil
	}
	errs := []error{err}
	if naming != nil {
		errs = append(errs, naming.Close())
	}
	for _, g := range others {
		if g != nil {
			errs = append(errs, g.Close())
		}
	}
	return nil, errors.Join(errs...)
}

func open(ctx context.Context, name string, naming driver.Source, others map[string]Given, o *Options) (*Source, error) {
	opts, err := o.fill()
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	if _, twice := others[name]; twice || len(others) == 0 {
		return nil, errors.New("merge: there must be another side than the naming one, with another name")
	}
	all, sides := map[string]driver.Source{name: naming}, []*side{{name: name, has: map[string]driver.Assignment{}}}
	for _, n := range slices.Sorted(maps.Keys(others)) {
		all[n] = others[n]
		sides = append(sides, &side{name: n, given: others[n], has: map[string]driver.Assignment{}})
	}
	for n, src := range all {
		if err := check(src); err != nil {
			return nil, fmt.Errorf("merge: side %q: %w", n, err)
		}
	}
	inner, err := several.New(all)
	if err != nil {
		return nil, err
	}
	s := newSource(inner, sides, opts)
	if _, err := s.Partitions(ctx); err != nil {
		return nil, err
	}
	s.info.Keys = naming.Info().Keys
	for _, i := range s.info.Sources {
		if i.Keys != s.info.Keys {
			s.info.Keys = driver.KeysAnywhere
		}
	}
	if k, ok := naming.(Keeper); ok {
		k.KeepLanes()
	}
	s.timer = time.AfterFunc(time.Hour, inner.Nudge)
	return s, nil
}

// newSource has no goroutine yet.
func newSource(inner *several.Source, sides []*side, o *Options) *Source {
	b := &board{opts: o, sides: sides, counts: map[string]*Counts{}}
	for _, o := range sides {
		b.counts[o.name] = &Counts{}
	}
	memory, rule := newMemory(o), o.rule()
	return &Source{
		inner: inner, info: inner.Info(), memory: memory, blocked: map[*lane]bool{}, prover: newProver(inner), board: b,
		roster: &roster{
			opts: o, sides: sides, ids: map[string]string{}, lanes: map[string]*lane{}, named: map[string]*lane{}, inputs: map[string]*lane{},
			open: func(id, name string) *lane {
				return &lane{memory: memory, board: b, rule: rule, id: id, name: name, in: make([]input, len(sides))}
			},
		},
	}
}

// Info names the sides. Equal keys meet in one lane if all sides spread them alike.
func (s *Source) Info() driver.SourceInfo { return s.info }

// Start begins a lane at all sides.
func (s *Source) Start(ctx context.Context, st driver.Start) error {
	l := s.roster.named[st.Lane]
	if l == nil {
		return fmt.Errorf("merge: lane %q was not assigned", st.Lane)
	}
	s.over = false
	for i := range l.in {
		s.pause(&l.in[i], false)
	}
	l.start(&st)
	delete(s.blocked, l)
	for i := range l.in {
		from := map[record.Partition]driver.Progress{}
		for p, at := range st.From {
			if s.roster.sideOf(p.Source) == i {
				from[p] = at
			}
		}
		if err := s.inner.Start(ctx, driver.Start{Lane: l.in[i].lane, From: from, Warmup: st.Warmup, WarmFrom: st.WarmFrom}); err != nil {
			return err
		}
	}
	s.press(l)
	return nil
}

// Pause stops or resumes a lane.
func (s *Source) Pause(name string, on bool) {
	l := s.roster.named[name]
	if l == nil || l.paused == on {
		return
	}
	l.paused = on
	if delete(s.blocked, l); l.order != nil {
		l.order.Rest() // sides that were paused have not been silent
	}
	s.press(l)
	s.wake(l)
}

// press pauses the sides of a lane that are far enough ahead, and resumes those that are not.
func (s *Source) press(l *lane) {
	for i := range l.in {
		switch in := &l.in[i]; {
		case l.paused || in.held > s.roster.part:
			s.pause(in, true)
		case in.held <= s.roster.part/2:
			s.pause(in, false)
		}
	}
}

func (s *Source) pause(in *input, on bool) {
	if in.paused != on {
		in.paused = on
		s.inner.Pause(in.lane, on)
	}
}

// AtEnd asks all sides. What waits here has not been delivered, so its log has not ended for the engine.
func (s *Source) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	return s.inner.AtEnd(ctx, at)
}

// Partitions lists those of all sides. While their numbers are not equal it fails, so that no hour closes: partitions without
// counterparts are read by nobody.
func (s *Source) Partitions(ctx context.Context) ([]record.Partition, error) {
	list, err := s.inner.Partitions(ctx)
	if err == nil {
		err = even(s.roster.sides, list)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Health is that of the sides, and says which of them has held others for long.
func (s *Source) Health() driver.Health {
	h := s.inner.Health()
	h.Stalled = errors.Join(h.Stalled, s.board.stalled())
	return h
}

// Counts are what became of the records of each side, by its name.
func (s *Source) Counts() map[string]Counts { return s.board.all() }

// Begin gives each side its part of the ledger.
func (s *Source) Begin(ctx context.Context, l driver.Ledger) error { return s.inner.Begin(ctx, l) }

// Ack tells each side what is committed of its partitions.
func (s *Source) Ack(ctx context.Context, upTo map[record.Partition]record.Position) error {
	return s.inner.Ack(ctx, upTo)
}

// Acked asks each side what it was told of its partitions.
func (s *Source) Acked(ctx context.Context, parts []record.Partition) (map[record.Partition]record.Position, error) {
	return s.inner.Acked(ctx, parts)
}

// Finish does nothing: lanes do not end one by one.
func (s *Source) Finish([]string) {}

// Close ends all sides.
func (s *Source) Close() error {
	s.prover.cancel()
	s.timer.Stop()
	err := s.inner.Close()
	s.prover.asks.Wait()
	for _, l := range s.roster.lanes {
		l.clear()
	}
	return err
}
