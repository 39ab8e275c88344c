package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"
)

// claims are what a process was told before the power went: they must hold afterwards.
type claims struct {
	there  map[string]string // Create or Publish returned: key to body
	closed map[string][]byte // Close returned, and Publish was not tried yet: key to ref
}

const body = "the whole body"

// work is a process that does all that writes. It tries each step so often and stops when that did not help, as if it had
// been killed.
func work(t *testing.T, d disk, tries int) claims {
	c := claims{map[string]string{}, map[string][]byte{}}
	s := newStore("fake", d)
	failed := func(step func() error) bool {
		for range tries {
			if step() == nil {
				return false
			}
		}
		return true
	}
	if failed(s.staging.prepare) {
		return c
	}
	ctx := t.Context()
	for i := range 2 {
		key := fmt.Sprintf("_onceflow/job/s0000/%020d", i)
		if failed(func() error {
			err := s.Create(ctx, key, []byte(body))
			if errors.Is(err, fs.ErrExist) {
				return nil
			}
			return err
		}) {
			return c
		}
		c.there[key] = body
		long := bytes.Repeat([]byte{'k'}, 240)
		for _, key := range []string{fmt.Sprint("flow/hour=06/o-", i), fmt.Sprintf("flow/hour=%02d/k=%s/o-%d", i, long, i)} {
			if failed(func() (err error) {
				c.closed[key], err = stage(ctx, s, key)
				return err
			}) {
				delete(c.closed, key)
				return c
			}
			if failed(func() error { return s.Publish(ctx, c.closed[key]) }) {
				return c
			}
			delete(c.closed, key)
			c.there[key] = body
		}
	}
	return c
}

func stage(ctx context.Context, s *Store, key string) (ref []byte, err error) {
	up, err := s.Stage(ctx, key, "o", 0)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{body[:3], body[3:]} {
		if _, e := up.Write([]byte(part)); e != nil && err == nil {
			err = e
		}
	}
	if err == nil {
		ref, err = up.Close(ctx)
	}
	if err != nil {
		_ = up.Abort(ctx)
	}
	return ref, err
}

// The power goes at every call of the disk, and what was not synced is kept or lost by chance. Nothing that was confirmed
// is lost, what is there is whole, and a closed file can be published.
func TestPowerLossKeepsWhatWasConfirmed(t *testing.T) {
	for k := 0; ; k++ {
		d := newFakeDisk()
		d.fault = func(n int, _ string) error {
			if n >= k {
				return errors.New("power lost")
			}
			return nil
		}
		c := work(t, d, 1)
		for seed := range uint64(12) {
			r := rand.New(rand.NewPCG(seed, uint64(k)))
			checkClaims(t, d.afterPowerLoss(r), c, fmt.Sprintf("power lost at call %d, seed %d", k, seed))
			if t.Failed() {
				return
			}
		}
		if d.calls <= k {
			if len(c.there) != 6 {
				t.Errorf("a run without fault confirmed %d objects, want 6", len(c.there))
			}
			return
		}
	}
}

func checkClaims(t *testing.T, d *fakeDisk, c claims, when string) {
	t.Helper()
	s := newStore("fake", d)
	if err := s.staging.prepare(); err != nil {
		t.Fatalf("%s: open again: %v", when, err)
	}
	whole := func(key string) {
		if got, err := s.Read(t.Context(), key, 100); err != nil || string(got) != body {
			t.Errorf("%s: %s: got %q, %v, want %q", when, key, got, err, body)
		}
	}
	for key := range c.there {
		whole(key)
	}
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatalf("%s: List: %v", when, err)
		}
		whole(o.Key)
	}
	for key, ref := range c.closed {
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Errorf("%s: publish what was closed: %v", when, err)
		}
		whole(key)
	}
	for st, err := range s.Staged(t.Context()) {
		if err == nil {
			err = s.Discard(t.Context(), st)
		}
		if err != nil {
			t.Errorf("%s: sweep: %v", when, err)
		}
	}
	key := fmt.Sprintf("_onceflow/job/s0000/%020d", 0)
	if err := s.Create(t.Context(), key, []byte(body)); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Errorf("%s: create: %v", when, err)
	}
	whole(key)
}

// Each call of the disk fails once, with effect or without, as a network file system's do. Trying again succeeds, and
// nothing is there twice, half or forgotten.
func TestAFailedCallIsSettledByTryingAgain(t *testing.T) {
	for _, effect := range []bool{false, true} {
		for k := 0; ; k++ {
			d := newFakeDisk()
			d.late = effect
			d.fault = func(n int, _ string) error {
				if n == k {
					return errors.New("i/o timeout")
				}
				return nil
			}
			c := work(t, d, 2)
			if d.calls <= k {
				break
			}
			when := fmt.Sprintf("call %d failed, with effect: %v", k, effect)
			if len(c.there) != 6 {
				t.Errorf("%s: got %d objects, want 6", when, len(c.there))
			}
			d.fault = nil
			checkClaims(t, d, c, when)
		}
	}
}

// An NFS client asks again when a reply was lost, and is told that the name exists which it made itself.
func TestLinkThatTookEffectIsSuccess(t *testing.T) {
	d := newFakeDisk()
	d.late = true
	d.fault = func(_ int, op string) error {
		if op == "link" {
			return fs.ErrExist
		}
		return nil
	}
	s := newStore("fake", d)
	if err := s.tree.ensure(tempFolder); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "a/b", []byte(body)); err != nil {
		t.Errorf("Create: %v", err)
	}
	if err := s.Create(t.Context(), "a/b", []byte(body)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create again: got %v, want fs.ErrExist", err)
	}
	ref, err := stage(t.Context(), s, "a/c")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), ref); err != nil {
		t.Errorf("Publish: %v", err)
	}
	var keys []string
	for o := range s.List(t.Context(), "", "") {
		keys = append(keys, o.Key)
	}
	if want := []string{"a/b", "a/c"}; !slices.Equal(keys, want) {
		t.Errorf("got %q, want %q", keys, want)
	}
	for st := range s.Staged(t.Context()) {
		t.Errorf("still staged: %v", st)
	}
}
