package file

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream"
)

// Poll gives the records of the started lanes, a piece of each open file in turn.
func (s *Source) Poll(ctx context.Context) (*stream.Batch, error) {
	if s.first != nil {
		found := s.first
		s.first = nil
		if b, err := s.assign(found); b != nil || err != nil {
			return b, err
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.opts.Follow && !time.Now().Before(s.next) {
			if b, err := s.lookAgain(); b != nil || err != nil {
				return b, err
			}
		}
		if l := s.pick(); l != nil {
			if b, err := l.read(ctx); b != nil || err != nil {
				return b, err
			}
			continue
		}
		if !s.opts.Follow && s.over() {
			if b, err := s.lookAgain(); b != nil || err != nil {
				return b, err
			}
			return nil, io.EOF
		}
		if err := s.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// lookAgain finds new files, and what became of the others.
func (s *Source) lookAgain() (*stream.Batch, error) {
	s.next = time.Now().Add(s.opts.Poll)
	found, err := s.look()
	if err != nil {
		return nil, err
	}
	if s.opts.Follow {
		by := make(map[string]*listed, len(found))
		for i := range found {
			by[s.laneName(&found[i])] = &found[i]
		}
		for _, l := range s.lanes {
			if err := l.update(by[l.name]); err != nil {
				return nil, err
			}
		}
	}
	return s.assign(found)
}

func (s *Source) laneName(f *listed) string { return s.opts.Name + "/" + f.id }

// assign makes lanes of files that are new and have a record; nil if there is none.
func (s *Source) assign(found []listed) (*stream.Batch, error) {
	var b *stream.Batch
	for _, f := range found {
		name := s.laneName(&f)
		if l := s.byName[name]; l != nil {
			if *l.part != f.part {
				return nil, fmt.Errorf("file: %s (%s) was read to its end and has another first line now: run again to read it",
					f.path, l.part)
			}
			continue
		}
		if f.part.Epoch == "" {
			continue
		}
		l := &lane{src: s, name: name, file: f, part: &f.part}
		s.byName[name] = l
		s.lanes = append(s.lanes, l)
		if b == nil {
			b = &stream.Batch{}
		}
		b.Assigned = append(b.Assigned, stream.Assignment{Lane: name, Partitions: []stream.Partition{f.part}})
	}
	slices.SortFunc(s.lanes, func(a, b *lane) int { return strings.Compare(a.file.id, b.file.id) })
	return b, nil
}

// pick chooses the lane to read next: a file to open while few are open, else the open ones in turn. nil is none.
func (s *Source) pick() *lane {
	if len(s.open) < s.opts.MaxOpen {
		for _, l := range s.lanes {
			if l.state == ready && !l.paused && !l.open {
				return l
			}
		}
	}
	for range s.open {
		s.turn = (s.turn + 1) % len(s.open)
		if l := s.open[s.turn]; l.state == ready && !l.paused {
			return l
		}
	}
	return nil
}

// over says that all lanes have ended.
func (s *Source) over() bool {
	return !slices.ContainsFunc(s.lanes, func(l *lane) bool { return l.state != ended })
}

// wait blocks until it is time to look again. Start and Pause are called between Polls, so nothing else can happen.
func (s *Source) wait(ctx context.Context) error {
	if !s.opts.Follow {
		<-ctx.Done()
		return ctx.Err()
	}
	t := time.NewTimer(time.Until(s.next))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Start begins a lane.
func (s *Source) Start(_ context.Context, st stream.Start) error {
	l := s.byName[st.Lane]
	if l == nil {
		return fmt.Errorf("file: lane %q was never assigned", st.Lane)
	}
	for p, from := range st.From {
		if p != *l.part && (!from.Ended || from.Held.Len() > 0) {
			return fmt.Errorf("file: %s is %s now; lines of %s after %s are gone with it: %w",
				l.file.path, l.part, &p, from.UpTo, stream.ErrLost)
		}
	}
	l.start(st.From[*l.part], st.Warmup > 0)
	return nil
}

// Pause stops a lane or lets it go on.
func (s *Source) Pause(name string, on bool) {
	if l := s.byName[name]; l != nil {
		l.paused = on
	}
}
