package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/stream/driver"
)

// trial is one call by a Store of its own, over a Front of its own.
type trial struct {
	s     *suite
	name  string // of the call, and what is done to it
	key   string // without suite.dir
	front *Front
	store sink.Store
	body  []byte
	ref   []byte          // of what prepare or do staged
	file  storage.Staging // what is to be discarded
	up    storage.Upload  // what is to be aborted
}

// errWrong marks what a call says that is not so.
var errWrong = errors.New("wrong")

// netCall is a call that goes to the server. prepare makes what it needs; do makes it, and returns errWrong if it tells what
// is not so; done says whether what it did is there, to all.
type netCall struct {
	name    string
	prepare func(x *trial) error
	do      func(x *trial, ctx context.Context) error
	done    func(x *trial) error
}

// netCalls are the calls of a Store.
var netCalls = []netCall{
	{"Create", nil, (*trial).create, (*trial).there},
	{"Read", (*trial).exists, (*trial).read, nil},
	{"Open", (*trial).exists, (*trial).open, nil},
	{"List", (*trial).exists, (*trial).list, nil},
	{"Now", nil, (*trial).now, nil},
	{"Upload", nil, (*trial).upload, (*trial).publishable},
	{"Publish", (*trial).isStaged, (*trial).publish, (*trial).there},
	{"Staged", (*trial).isStaged, (*trial).staged, nil},
	{"Discard", (*trial).isFound, (*trial).discard, (*trial).gone},
	{"Abort", (*trial).isOpen, (*trial).abort, (*trial).gone},
}

var trials atomic.Int64

// trial prepares a call. It returns nil, and has said why, if that fails. timeout is that of the Store.
func (s *suite) trial(c *netCall, how string, timeout time.Duration) *trial {
	s.Helper()
	x := &trial{s: s, name: c.name + ", " + how, key: fmt.Sprintf("%s-%d", c.name, trials.Add(1)), body: sized(64 << 10)}
	err := insist(func() (err error) {
		x.store, x.front, err = s.bench.behind(s.T, timeout)
		return err
	})
	if err == nil && c.prepare != nil {
		err = insist(func() error { return c.prepare(x) })
	}
	if err != nil {
		s.Errorf("%s: it could not be prepared: %v", x.name, err)
		return nil
	}
	return x
}

func (x *trial) create(ctx context.Context) error { return x.store.Create(ctx, x.s.dir+x.key, x.body) }

func (x *trial) exists() error {
	if err := x.s.a.Create(x.s.Context(), x.s.dir+x.key, x.body); !errors.Is(err, fs.ErrExist) { // made again it is
		return err
	}
	return nil
}

func (x *trial) read(ctx context.Context) error {
	got, err := x.store.Read(ctx, x.s.dir+x.key, int64(len(x.body)))
	return x.compare(got, err)
}

func (x *trial) open(ctx context.Context) error {
	got, err := readAll(ctx, x.store, x.s.dir+x.key)
	return x.compare(got, err)
}

func (x *trial) compare(got []byte, err error) error {
	if err == nil && !bytes.Equal(got, x.body) {
		return fmt.Errorf("%w: %d bytes, want the %d that were written", errWrong, len(got), len(x.body))
	}
	return err
}

func (x *trial) list(ctx context.Context) error {
	found := false
	for o, err := range x.store.List(ctx, x.s.dir+x.key, "") {
		if err != nil {
			return err
		}
		found = found || o.Key == x.s.dir+x.key && o.Size == int64(len(x.body))
	}
	if !found {
		return fmt.Errorf("%w: a listing without an error does not have the object", errWrong)
	}
	return nil
}

func (x *trial) now(ctx context.Context) error {
	_, err := x.store.Now(ctx)
	return err
}

func (x *trial) upload(ctx context.Context) error { return x.stage(ctx, x.store) }

func (x *trial) stage(ctx context.Context, store sink.Store) error {
	up, err := store.Stage(ctx, x.s.dir+x.key, x.s.owner, 0)
	if err == nil {
		_, err = up.Write(x.body)
	}
	if err == nil {
		x.ref, err = up.Close(ctx)
	}
	return err
}

func (x *trial) publishable() error {
	if err := x.s.a.Publish(x.s.Context(), x.ref); err != nil {
		return err
	}
	return x.there()
}

func (x *trial) isStaged() error { return x.stage(x.s.Context(), x.s.a) }

func (x *trial) publish(ctx context.Context) error { return x.store.Publish(ctx, x.ref) }

func (x *trial) staged(ctx context.Context) error {
	_, err := x.find(ctx, x.store)
	if errors.Is(err, errWrong) && x.s.traits.HidesAll {
		return nil
	}
	return err
}

func (x *trial) find(ctx context.Context, store sink.Store) (storage.Staging, error) {
	for st, err := range store.Staged(ctx) {
		if err != nil {
			return st, err
		}
		if st.Key == x.s.dir+x.key {
			return st, nil
		}
	}
	return storage.Staging{}, fmt.Errorf("%w: Staged without an error does not have the file", errWrong)
}

func (x *trial) isFound() (err error) {
	if err := x.isStaged(); err != nil || x.s.traits.HidesAll {
		return err
	}
	x.file, err = x.find(x.s.Context(), x.s.a)
	return err
}

func (x *trial) discard(ctx context.Context) error {
	if x.s.traits.HidesAll {
		return nil
	}
	return x.store.Discard(ctx, x.file)
}

func (x *trial) isOpen() (err error) {
	if x.up, err = x.store.Stage(x.s.Context(), x.s.dir+x.key, x.s.owner, 0); err == nil {
		_, err = x.up.Write(x.body)
	}
	if err == nil {
		x.ref, err = x.up.Close(x.s.Context())
	}
	return err
}

func (x *trial) abort(ctx context.Context) error { return x.up.Abort(ctx) }

// gone says whether the staging is thrown away.
func (x *trial) gone() error {
	st, err := x.find(x.s.Context(), x.s.a)
	switch {
	case errors.Is(err, errWrong):
		return nil
	case err == nil:
		return fmt.Errorf("%+v is still staged", st)
	}
	return err
}

// there says whether the object is there, whole.
func (x *trial) there() error {
	got, err := x.s.a.Read(x.s.Context(), x.s.dir+x.key, 1<<20)
	if err == nil && !bytes.Equal(got, x.body) {
		return fmt.Errorf("%q has %d bytes that are not those that were given", x.key, len(got))
	}
	return err
}

// check says what is wrong with what a call returned: that it is done and is not, or an error that says what nobody can
// know. not are what the error must not match.
func (x *trial) check(c *netCall, err error, not ...error) {
	switch {
	case errors.Is(err, errWrong):
		x.s.Errorf("%s: %v", x.name, err)
	case err == nil && c.done != nil:
		if err := c.done(x); err != nil {
			x.s.Errorf("%s: it returned no error, and is not done: %v", x.name, err)
		}
	case err != nil:
		for _, e := range not {
			if errors.Is(err, e) {
				x.s.Errorf("%s: %q matches %q, which nobody can know from what the server said", x.name, err, e)
			}
		}
	}
}

// final are the errors that end a job, or make it go on as if it knew what is there.
var final = []error{fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, storage.ErrPermanent, storage.ErrStagingLost, driver.ErrStop}

// settle makes the call again, now that the network is in order: one failure must not break the Store, and what a call left
// half done must not stand in its own way.
func (x *trial) settle(c *netCall) {
	x.front.Spoil(nil)
	if c.name == "Upload" {
		x.key += "-again" // the first may be published
	}
	err := insist(func() error { return c.do(x, x.s.Context()) })
	if err != nil && !(c.name == "Create" && errors.Is(err, fs.ErrExist)) {
		x.s.Errorf("%s: the call, made again on a network in order: %v", x.name, err)
		return
	}
	if c.done != nil {
		if err := c.done(x); err != nil {
			x.s.Errorf("%s: the call was made again on a network in order, and is not done: %v", x.name, err)
		}
	}
}

// insist calls f until it succeeds, fails for good, or has had some tries: on a busy machine a request may take longer than a
// short time-out though the network is in order.
func insist(f func() error) (err error) {
	for range 5 {
		if err = f(); err == nil || errors.Is(err, errWrong) || errors.Is(err, errHung) || slices.ContainsFunc(final, func(e error) bool { return errors.Is(err, e) }) {
			return err
		}
	}
	return err
}

// together makes trials, many at once, since most of them wait.
func together(trials []func()) {
	var wg sync.WaitGroup
	room := make(chan struct{}, 32)
	for _, f := range trials {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			f()
		})
	}
	wg.Wait()
}
