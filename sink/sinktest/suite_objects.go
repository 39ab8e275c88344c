package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// Contract: of any number of concurrent Creates of one key, by any number of processes, exactly one succeeds, the others
// match fs.ErrExist, and the content is the winner's.
func createIsExclusive(s *suite) {
	const rivals, rounds = 8, 10
	for round := range rounds {
		key := fmt.Sprintf("%02d", round)
		errs := make([]error, rivals)
		var wg sync.WaitGroup
		for i := range rivals {
			store := s.a
			if i%2 == 1 {
				store = s.b
			}
			wg.Go(func() { errs[i] = store.Create(s.Context(), s.dir+key, rivalBody(i)) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				s.Errorf("Create(%q): both %d and %d succeeded", key, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, fs.ErrExist):
				s.Errorf("Create(%q): got %v, want fs.ErrExist", key, err)
			}
		}
		if winner < 0 {
			s.Fatalf("Create(%q): nobody succeeded", key)
		}
		s.want(key, rivalBody(winner))
	}
}

func rivalBody(i int) []byte { return bytes.Repeat([]byte{'0' + byte(i)}, 1000+i) }

// Contract: an object appears whole or not at all: who reads while it is created gets all of it or fs.ErrNotExist.
func createIsWholeOrNotAtAll(s *suite) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 256<<10/16)
	for round := range 5 {
		key := fmt.Sprintf("%02d", round)
		var done atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			defer done.Store(true)
			if err := s.a.Create(s.Context(), s.dir+key, body); err != nil {
				s.Errorf("Create(%q): %v", key, err)
			}
		})
		for !done.Load() && !s.Failed() {
			got, err := s.b.Read(s.Context(), s.dir+key, int64(len(body)))
			if !errors.Is(err, fs.ErrNotExist) && (err != nil || !bytes.Equal(got, body)) {
				s.Errorf("Read while it was created: got %d of %d bytes, %v", len(got), len(body), err)
			}
			for o, err := range s.b.List(s.Context(), s.dir+key, "") {
				if err != nil || o.Size != int64(len(body)) {
					s.Errorf("List while it was created: got %v, %v, want %d bytes", o, err, len(body))
				}
			}
		}
		wg.Wait()
		s.want(key, body)
	}
}

// Contract: a Create that lost changes nothing, also with an empty body, on an empty object, or with the same bytes: that
// is how a caller settles a Create whose reply was lost.
func createKeepsTheFirst(s *suite) {
	for key, body := range map[string]string{"empty": "", "full": "first"} {
		s.create(s.a, key, []byte(body))
		for _, again := range []string{"", "second", body} {
			if err := s.b.Create(s.Context(), s.dir+key, []byte(again)); !errors.Is(err, fs.ErrExist) {
				s.Errorf("Create(%q) again with %q: got %v, want fs.ErrExist", key, again, err)
			}
		}
		s.want(key, []byte(body))
	}
}

// Contract: Create must not retain body, and what Read returns belongs to the caller.
func createDoesNotRetainBody(s *suite) {
	body := []byte("body")
	s.create(s.a, "k", body)
	copy(body, "XXXX")
	got, err := s.a.Read(s.Context(), s.dir+"k", 4)
	if string(got) != "body" || err != nil {
		s.Fatalf("got %q, %v, want body", got, err)
	}
	copy(got, "YYYY")
	s.want("k", []byte("body"))
}

// Contract: Read, Open and List see, through any handle, every Create and Publish that returned before they were called.
func readSeesWhatReturned(s *suite) {
	for i := range 20 {
		key := fmt.Sprintf("d%d/%02d", i%3, i)
		s.wantNone(key)
		if i%2 == 0 {
			s.create(s.a, key, []byte(key))
		} else {
			s.publish(s.b, s.staged(s.a, key, []byte(key)))
		}
		s.want(key, []byte(key))
	}
}

// Contract: a body longer than limit is an error, which is not fs.ErrNotExist; one as long as limit is not.
func readStopsAtLimit(s *suite) {
	s.create(s.a, "ten", []byte("0123456789"))
	s.create(s.a, "none", nil)
	for _, limit := range []int64{0, 1, 9} {
		if got, err := s.a.Read(s.Context(), s.dir+"ten", limit); err == nil || errors.Is(err, fs.ErrNotExist) {
			s.Errorf("Read of 10 bytes with limit %d: got %q, %v, want another error", limit, got, err)
		}
	}
	for _, limit := range []int64{10, 11, 1 << 40} {
		if got, err := s.a.Read(s.Context(), s.dir+"ten", limit); string(got) != "0123456789" || err != nil {
			s.Errorf("Read of 10 bytes with limit %d: got %q, %v", limit, got, err)
		}
	}
	if got, err := s.a.Read(s.Context(), s.dir+"none", 0); len(got) != 0 || err != nil {
		s.Errorf("Read of an empty object with limit 0: got %q, %v", got, err)
	}
}

// Contract: Read and Open of what is not there match fs.ErrNotExist, also where objects begin with the key or the key with
// an object; List yields nothing then.
func missingIsErrNotExist(s *suite) {
	s.create(s.a, "folder/object", []byte("x"))
	for _, key := range []string{"no", "no/no", "folder", "folder/objec", "folder/object2", "folder/object/deeper"} {
		s.wantNone(key)
	}
	if got := s.list(s.a, s.dir+"no/", ""); len(got) != 0 {
		s.Errorf("List of nothing: got %v", got)
	}
}

// Contract: every key that driver.CheckKey takes is kept byte by byte.
func oddKeysAreKept(s *suite) {
	long := strings.Repeat("s", storage.MaxSegment)
	full := strings.Repeat(strings.Repeat("t", storage.MaxSegment)+"/", 3)
	full += strings.Repeat("x", storage.MaxKey-len(s.dir)-len("d/")-len(full))
	for i, key := range []string{"...", ".hidden", "_x", "~", "-", "--help", "%2F", "%", "a=b=c", "day=2025-05-01/hour=06/k=%C3%A9/f.jsonl.zst", "UPPER", "a.", "b./c", "b..", "c.../d",
		"site=日本/f", "site=e\u0301", "site=é.x", "😀", "\ufffd", strings.Repeat("日", storage.MaxSegment/3), long, full} {
		key = "d/" + key // as a segment of its own
		body := fmt.Appendf(nil, "%d %s", i, key)
		if i%2 == 0 {
			s.create(s.a, key, body)
		} else {
			s.publish(s.b, s.staged(s.a, key, body))
		}
		s.want(key, body)
	}
}

// Contract: a key that driver.CheckKey refuses is an error, and no way out of the storage.
func badKeysAreRefused(s *suite) {
	for _, key := range []string{"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a\x00b", `a\..\b`, "a b", "\xe9", "a\u0085", "\u202e", strings.Repeat("k", 256)} {
		if err := s.a.Create(s.Context(), key, []byte("x")); err == nil || errors.Is(err, fs.ErrExist) {
			s.Errorf("Create(%q): got %v, want another error", key, err)
		}
		if _, err := s.a.Read(s.Context(), key, 1<<20); err == nil {
			s.Errorf("Read(%q): got no error", key)
		}
		if _, err := s.a.ReadRange(s.Context(), key, 0, 1); err == nil {
			s.Errorf("ReadRange(%q): got no error", key)
		}
		if err := s.a.Delete(s.Context(), key); err == nil {
			s.Errorf("Delete(%q): got no error", key)
		}
		if r, err := s.a.Open(s.Context(), key); err == nil {
			s.Errorf("Open(%q): got no error", key)
			_ = r.Close()
		}
		if up, err := s.a.Stage(s.Context(), key, s.owner, 0); err == nil {
			s.Errorf("Stage(%q): got no error", key)
			_ = up.Abort(s.Context())
		}
	}
	for _, owner := range []string{"", "A", "../x", "a/b", "a b", "a-b"} {
		if up, err := s.a.Stage(s.Context(), s.dir+"k", owner, 0); err == nil {
			s.Errorf("Stage by %q: got no error", owner)
			_ = up.Abort(s.Context())
		}
	}
}

// Contract: a call whose context has ended returns an error that says so, and soon.
func endedContextEndsCalls(s *suite) {
	s.create(s.a, "there", []byte("x"))
	up := s.stage(s.a, "open", []byte("x"))
	ref := s.staged(s.a, "closed", []byte("x"))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	check := func(op string, err error) {
		s.Helper()
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: got %v, want context.Canceled", op, err)
		}
	}
	check("Create", s.a.Create(ctx, s.dir+"k", nil))
	_, err := s.a.Read(ctx, s.dir+"there", 10)
	check("Read", err)
	_, err = s.a.ReadRange(ctx, s.dir+"there", 0, 1)
	check("ReadRange", err)
	check("Delete", s.a.Delete(ctx, s.dir+"there"))
	_, err = s.a.Open(ctx, s.dir+"there")
	check("Open", err)
	_, err = s.a.Now(ctx)
	check("Now", err)
	_, err = s.a.Stage(ctx, s.dir+"k", s.owner, 0)
	check("Stage", err)
	check("Publish", s.a.Publish(ctx, ref))
	_, err = up.Close(ctx)
	check("Close", err)
	err = nil
	for _, e := range s.a.List(ctx, s.dir, "") {
		err = e
	}
	check("List", err)
	err = nil
	for _, e := range s.a.Staged(ctx) {
		err = e
	}
	check("Staged", err)
	for _, st := range s.staging(s.a) {
		check("Discard", s.a.Discard(ctx, st))
	}
	late, cancel := context.WithTimeout(s.Context(), -1)
	defer cancel()
	for op, err := range map[string]error{"Create": s.a.Create(late, s.dir+"k", nil), "Publish": s.a.Publish(late, ref)} {
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("%s: got %v, want context.DeadlineExceeded", op, err)
		}
	}
	s.wantStaging("closed", "open")
	if err := up.Abort(s.Context()); err != nil {
		s.Errorf("Abort after a Close that failed: %v", err)
	}
}

// Contract: List yields the keys that begin with prefix and come after after, in the order of their bytes: of whole keys,
// so that "a-b" and "a.b" come before "a/b", not as a walk of folders has them.
func listIsInByteOrder(s *suite) {
	keys := []string{"a-b", "a.b/x", "a/b", "a/b-c/x", "a/b.c", "a/c", "a0", "a=1/x", "aa/b", "b/%2F/x", "b/0/x", "b/A", "b/_", "b/a", "b/~", "b/é", "b/日本/x", "b/～", "b/😀"} // the last two change places in UTF-16
	if !slices.IsSorted(keys) {
		s.Fatal("the test's keys are not sorted")
	}
	for i := range keys {
		k := keys[(i*7)%len(keys)] // 7 and 19 have no common divisor
		s.create(s.a, k, []byte(k))
	}
	prefixes := []string{"", "a", "a/", "a/b", "a/b/", "a-", "b/", "b/0", "b/~", "c", "a/b-c/x", "a."}
	afters := append([]string{"", "0", "a", "a/", "a/b-", "a/b-c", "a/b-c/", "a/b-c/y", "a1", "b", "b/%", "b/0/", "b/~~", "b/日", "b/～x", "zz"}, keys...)
	for _, prefix := range prefixes {
		for _, after := range afters {
			want := []string{}
			for _, k := range keys {
				if strings.HasPrefix(k, prefix) && k > after {
					want = append(want, k)
				}
			}
			full := s.dir + after
			if after == "" {
				full = "" // no bound at all
			}
			got := []string{}
			for _, o := range s.list(s.b, s.dir+prefix, full) {
				k := strings.TrimPrefix(o.Key, s.dir)
				if got = append(got, k); o.Size != int64(len(k)) {
					s.Errorf("List: %q has %d bytes, want %d", k, o.Size, len(k))
				}
			}
			if !slices.Equal(got, want) {
				s.Errorf("List(%q, %q): %s", prefix, after, diff(got, want))
			}
		}
	}
	// after may lie before or behind all keys with the prefix, and not begin with it.
	if got := s.list(s.a, s.dir, "A"); len(got) != len(keys) {
		s.Errorf("List after a key before the prefix: got %d, want all %d", len(got), len(keys))
	}
	if got := s.list(s.a, s.dir, "zzzz"); len(got) != 0 {
		s.Errorf("List after a key behind the prefix: got %v, want none", got)
	}
	listStops(s)
}

// listStops checks that a listing may be left at any object and begun again, also from the same iterator.
func listStops(s *suite) {
	s.Helper()
	seq := s.a.List(s.Context(), s.dir, "")
	for range 2 {
		for o, err := range seq {
			if want := s.dir + "a-b"; o.Key != want || err != nil {
				s.Errorf("first of a listing: got %q, %v, want %q", o.Key, err, want)
			}
			break
		}
	}
}

// Contract: List yields all objects, however many and wherever it begins: stores answer in pages.
func listHasManyPages(s *suite) {
	n := s.bench.many()
	workers(n, func(i int) {
		if err := s.a.Create(s.Context(), s.dir+fmt.Sprintf("%d/%04d", i%3, i), nil); err != nil {
			s.Errorf("Create: %v", err)
		}
	})
	var want []string
	for d := range 3 {
		for i := d; i < n; i += 3 {
			want = append(want, s.dir+fmt.Sprintf("%d/%04d", d, i))
		}
	}
	page := s.bench.Page
	for _, begin := range []int{0, 1, page - 1, page, page + 1, n - 1, n} {
		if begin < 0 || begin > n {
			continue
		}
		after := ""
		if begin > 0 {
			after = want[begin-1]
		}
		got := []string{}
		for _, o := range s.list(s.b, s.dir, after) {
			got = append(got, o.Key)
		}
		if !slices.Equal(got, want[begin:]) {
			s.Errorf("List of %d objects from number %d on: %s", n, begin, diff(got, want[begin:]))
		}
	}
}
