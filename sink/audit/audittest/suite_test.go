package audittest_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/audittest"
)

// registry is one in memory, with a bug perhaps.
type registry struct {
	bug   string
	of    *registrations
	mine  []audit.Registration // registered by this handle
	cache []audit.Registration // what the first listing saw
}

// registrations are what several handles share.
type registrations struct {
	mu  sync.Mutex
	all []audit.Registration
}

func (g *registry) Register(ctx context.Context, r audit.Registration) error {
	if g.bug != "ignores the end of the context in Register" && ctx.Err() != nil {
		return ctx.Err()
	}
	if g.bug != "takes a batch without lines" {
		if err := r.Check(); err != nil {
			return err
		}
	}
	if g.bug == "forgets the oldest event" {
		r.Oldest = r.ID.Time()
	}
	if g.bug == "cuts times to the second" {
		r.Oldest = r.Oldest.Truncate(time.Second)
	}
	if g.bug == "keeps 16 bits of the bytes" {
		r.Bytes = int64(uint16(r.Bytes))
	}
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	at, there := slices.BinarySearchFunc(g.of.all, r, func(a, b audit.Registration) int { return a.Compare(&b) })
	same := slices.IndexFunc(g.of.all, func(o audit.Registration) bool { return o.ID == r.ID })
	switch {
	case g.bug == "lists a copy for each Register":
	case there && g.bug == "refuses what is registered":
		return errors.New("it is there")
	case there:
		return nil
	case same >= 0 && g.bug == "keeps the first of one ID":
		return nil
	case same >= 0 && g.bug == "keeps the last of one ID":
		g.of.all[same] = r
		return nil
	case same >= 0 && g.bug == "tells IDs apart by lines alone" && g.of.all[same].Lines == r.Lines:
		return nil
	}
	if g.bug == "lists in the order of registrations" {
		at = len(g.of.all)
	}
	g.of.all, g.mine = slices.Insert(g.of.all, at, r), append(g.mine, r)
	return nil
}

func (g *registry) List(ctx context.Context, from, to time.Time) iter.Seq2[audit.Registration, error] {
	return func(yield func(audit.Registration, error) bool) {
		if g.bug != "ignores the end of the context in List" && ctx.Err() != nil {
			yield(audit.Registration{}, ctx.Err())
			return
		}
		g.of.mu.Lock()
		all := slices.Clone(g.of.all)
		if g.bug == "lists what this handle has registered" {
			all = slices.Clone(g.mine)
		}
		if g.bug == "lists what it saw first" {
			if g.cache == nil {
				g.cache = all
			}
			all = g.cache
		}
		g.of.mu.Unlock()
		n := 0
		for _, r := range all {
			at := r.ID.Time()
			in := !at.Before(from) && at.Before(to)
			switch g.bug {
			case "has the end of a window":
				in = !at.Before(from) && !at.After(to)
			case "leaves out the beginning of a window":
				in = at.After(from) && at.Before(to)
			case "has whole hours":
				in = !at.Before(from.Truncate(time.Hour)) && at.Before(to.Truncate(time.Hour).Add(time.Hour))
			case "has the first page":
				if n++; n > 1000 {
					return
				}
			}
			if in && !yield(r, nil) && g.bug != "goes on after it was left" {
				return
			}
		}
	}
}

func (g *registry) Expire(_ context.Context, before time.Time) error {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	switch g.bug {
	case "deletes all":
		g.of.all = nil
	case "deletes the batch of the time itself":
		before = before.Add(time.Millisecond)
	case "deletes, and says that it cannot":
		g.of.all = g.of.all[1:]
		return errors.ErrUnsupported
	case "cannot delete":
		return errors.ErrUnsupported
	}
	g.of.all = slices.DeleteFunc(g.of.all, func(r audit.Registration) bool { return r.ID.Time().Before(before) })
	return nil
}

func with(bug string) func(*testing.T) func() audit.Registry {
	return func(*testing.T) func() audit.Registry {
		of := &registrations{}
		return func() audit.Registry { return &registry{bug: bug, of: of} }
	}
}

func TestSuitePassesARegistryThatKeepsTheContract(t *testing.T) {
	for _, bug := range []string{"", "cannot delete"} { // which is none
		audittest.Run(t, with(bug))
	}
}

var broken = []struct{ bug, contract string }{
	{"lists a copy for each Register", "RegisterIsIdempotent"},
	{"refuses what is registered", "RegisterIsIdempotent"},
	{"refuses what is registered", "ManyRegisterAtOnce"},
	{"keeps the first of one ID", "OtherNumbersAreKeptBeside"},
	{"keeps the last of one ID", "OtherNumbersAreKeptBeside"},
	{"tells IDs apart by lines alone", "OtherNumbersAreKeptBeside"},
	{"forgets the oldest event", "RegisterIsIdempotent"},
	{"cuts times to the second", "ListHasTheWindowAndNoMore"},
	{"takes a batch without lines", "WhatNoBatchCanHaveIsRefused"},
	{"keeps 16 bits of the bytes", "WhatIsNotRefusedIsListed"},
	{"lists in the order of registrations", "ListIsOrderedByTime"},
	{"has the end of a window", "ListHasTheWindowAndNoMore"},
	{"leaves out the beginning of a window", "ListHasTheWindowAndNoMore"},
	{"has whole hours", "ListHasTheWindowAndNoMore"},
	{"has the first page", "ListHasAllPages"},
	{"lists what this handle has registered", "RegisterIsIdempotent"},
	{"lists what it saw first", "AListingIsOfItsTime"},
	{"ignores the end of the context in Register", "AnEndedContextIsTheirsToSay"},
	{"ignores the end of the context in List", "AnEndedContextIsTheirsToSay"},
	{"deletes all", "WhatExpiresIsOldEnough"},
	{"deletes the batch of the time itself", "WhatExpiresIsOldEnough"},
	{"deletes, and says that it cannot", "WhatExpiresIsOldEnough"},
}

func TestSuiteFindsBrokenRegistries(t *testing.T) {
	for _, b := range broken {
		name := b.bug + ", " + b.contract
		if only := os.Getenv("AUDITTEST_BROKEN"); only != "" {
			if only == name {
				audittest.Run(t, with(b.bug))
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteFindsBrokenRegistries$/^"+b.contract+"$")
			cmd.Env = append(os.Environ(), "AUDITTEST_BROKEN="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if want := "--- FAIL: TestSuiteFindsBrokenRegistries/" + b.contract; !errors.As(err, &exit) || !bytes.Contains(out, []byte(want)) || bytes.Contains(out, []byte("panic:")) {
				t.Errorf("got %v, want a failure of %s, of:\n%s", err, b.contract, out)
			}
		})
	}
}
