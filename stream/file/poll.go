package file

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Poll gives the records of the started lanes, a piece of each open file in turn.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	if s.first != nil {
		found := s.first
		s.first = nil
		if err := s.enqueue(found); err != nil {
			return nil, err
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.opts.Follow && !time.Now().Before(s.next) {
			if err := s.lookAgain(); err != nil {
				return nil, err
			}
		}
		if b := s.assign(); b != nil {
			return b, nil
		}
		if l := s.pick(); l != nil {
			b, err := l.read(ctx)
			if s.opts.skips(err) {
				b, err = l.giveUp(err)
			}
			if l.over && l.state == ended {
				s.drop()
			}
			if b != nil || err != nil {
				return b, err
			}
			continue
		}
		if !s.opts.Follow && s.over() {
			if err := s.lookAgain(); err != nil {
				return nil, err
			}
			if len(s.backlog) == 0 {
				return nil, io.EOF
			}
			continue
		}
		if err := s.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// lookShare is how much longer than a look takes the next one is put off, at least: a folder with so many files that a look
// takes as long as Options.Poll was once looked at before every batch.
const lookShare = 9

// lookAgain finds new files, and what became of the others.
func (s *Source) lookAgain() error {
	began := time.Now()
	found, err := s.files.look()
	now := time.Now()
	s.next = now.Add(max(s.opts.Poll, lookShare*now.Sub(began)))
	if err != nil {
		return err
	}
	if s.opts.Follow {
		by := make(map[string]*listed, len(found))
		for i := range found {
			by[found[i].id] = &found[i]
		}
		for _, l := range s.lanes {
			if err := l.update(by[l.file.id]); err != nil {
				return err
			}
		}
	}
	s.forgetGone(found)
	return s.enqueue(found)
}

// Lanes are assigned in portions, since each costs its stages' memory until it has ended: as many as may wait for their
// turn, once fewer than half as many do.
const (
	portion  = 1024
	fewLanes = portion / 2
)

// enqueue takes down which files are new and have a record. Their lanes come by assign.
func (s *Source) enqueue(found []listed) error {
	s.backlog = s.backlog[:0]
	for _, f := range found {
		if f.over || f.part.Epoch == "" {
			continue
		}
		l := s.byID[f.id]
		switch {
		case l == nil:
			s.backlog = append(s.backlog, f)
		case l.group != nil && *l.part != f.part && l.state == ended && s.opts.Follow:
			l.gone = true
			s.backlog = append(s.backlog, f)
		case *l.part != f.part && !s.opts.Follow:
			return fmt.Errorf("file: %s (%s) was read to its end and has another first line now: run again to read it", f.path, l.part)
		} // a followed one is assigned anew once the end of the old one is committed
	}
	if len(s.backlog) == 0 {
		s.backlog = nil
	}
	return nil
}

// assign makes lanes of the next files; nil if there is none or enough lanes have something to read.
func (s *Source) assign() *driver.Batch {
	if len(s.backlog) == 0 || s.busy() >= fewLanes {
		return nil
	}
	b := &driver.Batch{}
	var grown []*group
	n := 0
	s.backlog = slices.DeleteFunc(s.backlog, func(f listed) bool {
		g := s.groupOf(f.id)
		if n >= portion && !slices.Contains(grown, g) { // a lane gets all its files at once
			return false
		}
		n++
		l := &lane{src: s, name: s.opts.Name + "/" + f.id, file: f, part: &f.part, group: g}
		s.byID[f.id] = l
		s.lanes = append(s.lanes, l)
		if g == nil {
			b.Assigned = append(b.Assigned, driver.Assignment{Lane: l.name, Partitions: []record.Partition{f.part}})
			return true
		}
		l.name = g.name
		g.files = append(g.files, l)
		if len(grown) == 0 || grown[len(grown)-1] != g {
			grown = append(grown, g)
		}
		return true
	})
	slices.SortFunc(grown, func(a, b *group) int { return strings.Compare(a.name, b.name) })
	for _, g := range slices.Compact(grown) {
		g.assign(b, s.opts.InOrder)
	}
	slices.SortFunc(s.lanes, func(a, b *lane) int { return strings.Compare(a.file.id, b.file.id) })
	return b
}

// groupOf is the group of a file that is new; nil if it is a lane of its own.
func (s *Source) groupOf(id string) *group {
	if s.opts.Lane == nil {
		return nil
	}
	name := s.opts.Name + "/" + id
	if lane := s.opts.Lane(id); lane != "" {
		name = s.opts.Name + "/" + lane
	}
	g := s.groups[name]
	if g == nil {
		g = &group{name: name}
		s.groups[name] = g
	}
	return g
}

// busy is how many lanes may have something to read now.
func (s *Source) busy() (n int) {
	if len(s.lanes) < fewLanes {
		return len(s.lanes)
	}
	for _, l := range s.lanes {
		if l.state == assigned || l.state == ready {
			n++
		}
	}
	return n
}

// pick chooses the lane to read next: a file to open while few are open, else the open ones in turn. nil is none.
func (s *Source) pick() *lane {
	if len(s.open) < s.opts.MaxOpen {
		for _, l := range s.lanes {
			if !l.open && l.mayRead() {
				return l
			}
		}
	}
	for range s.open {
		s.turn = (s.turn + 1) % len(s.open)
		if l := s.open[s.turn]; l.mayRead() {
			return l
		}
	}
	return nil
}

// over says that all lanes that were assigned have ended.
func (s *Source) over() bool {
	return !slices.ContainsFunc(s.lanes, func(l *lane) bool { return l.state != ended })
}

// wait blocks until it is time to look again. Start and Pause are called between Polls, so nothing else can happen.
func (s *Source) wait(ctx context.Context) error {
	if !s.opts.Follow {
		<-ctx.Done()
		return ctx.Err()
	}
	return retry.Sleep(ctx, time.Until(s.next), nil)
}

// Start begins a lane.
func (s *Source) Start(_ context.Context, st driver.Start) error {
	if g := s.groups[st.Lane]; g != nil {
		return g.begin(st)
	}
	l := s.alone(st.Lane)
	if l == nil {
		return fmt.Errorf("file: lane %q was never assigned", st.Lane)
	}
	for p, from := range st.From {
		if p != *l.part && (!from.Ended || from.Pending.Len() > 0) {
			return fmt.Errorf("file: %s is %s now; lines of %s after %s are gone with it: %w",
				l.file.path, l.part, &p, from.UpTo, driver.ErrLost)
		}
	}
	l.start(st.From[*l.part], st.Warmup > 0)
	return nil
}

// Pause stops a lane or lets it go on.
func (s *Source) Pause(name string, on bool) {
	if g := s.groups[name]; g != nil {
		g.paused = on
	} else if l := s.alone(name); l != nil {
		l.paused = on
	}
}

// alone is the file that has a lane of its own, by the lane's name; nil if there is none.
func (s *Source) alone(name string) *lane { return s.byID[strings.TrimPrefix(name, s.opts.Name+"/")] }
