package sinktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// Contract: the stream of an object that loses a part while it is read ends with an error, not as if it were whole. This is
// the rule of an answer that is cut, for a storage without answers.
func cutStreamsAreErrors(s *suite) {
	if s.bench.Cut == nil {
		return // a Front cuts the answers
	}
	body := sized(4 << 20)
	s.publish(s.a, s.staged(s.a, "f", body))
	r, err := s.a.Open(s.Context(), s.dir+"f")
	if err != nil {
		s.Fatalf("Open: %v", err)
	}
	got := make([]byte, 1000)
	if _, err := io.ReadFull(r, got); err != nil {
		s.Fatalf("Open, Read: %v", err)
	}
	if err := s.bench.Cut(s.T, s.bench.place, s.dir+"f"); err != nil {
		s.Fatalf("Config.Cut: %v", err)
	}
	rest, err := io.ReadAll(r)
	if got = append(got, rest...); err == nil && !bytes.Equal(got, body) {
		s.Errorf("Open: the object was cut while it was read, and its stream ended without an error: %s", unlike(got, body))
	}
	if err := r.Close(); err != nil {
		s.Errorf("Open, Close: %v", err)
	}
}

// Contract: a stream that was closed gives nothing any more, and does not look like one that was read to its end.
func streamsEndAtClose(s *suite) {
	s.publish(s.a, s.staged(s.a, "f", sized(256<<10)))
	for _, before := range []int{0, 1000} {
		r, err := s.a.Open(s.Context(), s.dir+"f")
		if err != nil {
			s.Fatalf("Open: %v", err)
		}
		buf := make([]byte, 1000)
		if _, err := io.ReadFull(r, buf[:before]); err != nil {
			s.Errorf("Open, Read: %v", err)
		}
		if err := r.Close(); err != nil {
			s.Errorf("Open, Close: %v", err)
		}
		if n, err := r.Read(buf); n > 0 || err == nil || errors.Is(err, io.EOF) {
			s.Errorf("Open, Read after Close: got %d bytes, %v, want an error that is not io.EOF", n, err)
		}
	}
}

// Contract: what other programs put into the storage, of whatever name, is no object unless its name is a key, and never
// staged. It disturbs no listing.
func foreignNamesDisturbNothing(s *suite) {
	s.create(s.a, "a", []byte("x"))
	s.publish(s.a, s.staged(s.a, "b", []byte("x")))
	s.staged(s.a, "staged", []byte("x"))
	put := 0
	for _, folder := range []string{"", "conformance/" + s.bench.run + "/", s.dir, s.dir + "d/"} {
		for _, name := range []string{
			"//x", "/x", "../x", "a b", " ", "100%", "%zz", "\x01", "a\x1f-1&<>\"", "\u2028", "\ufffe", "\xff\xfe", `a\b`, "é-1", "folder/", "plus+1", ".DS_Store", "~",
			"-", "own-1", "photo-1.jpg", strings.Repeat("long", 60),
		} {
			if err := s.bench.Put(s.T, s.bench.place, folder+name, []byte("foreign")); err == nil {
				put++
			}
		}
	}
	if put == 0 {
		s.Fatalf("Config.Put has put nothing")
	}
	for _, store := range []sink.Store{s.a, s.b} {
		var keys []string
		for _, o := range s.list(store, "", "") {
			if err := storage.CheckKey(o.Key); err != nil {
				s.Errorf("List: it has %q, which is no key", o.Key)
			}
			keys = append(keys, o.Key)
		}
		if again := slices.Compact(slices.Sorted(slices.Values(keys))); !slices.Equal(keys, again) {
			s.Errorf("List, among what others have put there: %s", diff(keys, again))
		}
		for _, key := range []string{"a", "b"} {
			if !slices.Contains(keys, s.dir+key) {
				s.Errorf("List, among what others have put there: %q is missing", s.dir+key)
			}
		}
		for st, err := range store.Staged(s.Context()) {
			if err = errors.Join(err, storage.CheckKey(st.Key), storage.CheckOwner(st.Owner)); err != nil {
				s.Errorf("Staged, among what others have put there: %+v, %v", st, err)
			}
		}
	}
	s.wantStaging("staged")
}

// Contract: Staging.Bytes is the length of a file, or 0 where the Store does not tell. Who looks at what is left in staging
// adds it up.
func stagedTellsTheLength(s *suite) {
	sizes := map[string]int64{"none": 0, "five": 5, "long": 6 << 20}
	for key, size := range sizes {
		s.staged(s.a, key, sized(int(size)))
	}
	open := s.stage(s.a, "open", []byte("12345"))
	for _, store := range []sink.Store{s.a, s.b} {
		for _, st := range s.staging(store) {
			size, closed := sizes[strings.TrimPrefix(st.Key, s.dir)]
			switch {
			case closed && st.Bytes != 0 && st.Bytes != size:
				s.Errorf("Staged: %d bytes of a file of %d", st.Bytes, size)
			case !closed && (st.Bytes < 0 || st.Bytes > 5):
				s.Errorf("Staged: %d bytes of an open file to which 5 were written", st.Bytes)
			}
		}
	}
	s.publish(s.a, s.close(open))
}

// Contract: what Discard and Abort throw away is gone from the storage, not only from the list.
func discardLeavesNothing(s *suite) {
	const size = 6 << 20
	measure := func() int64 {
		n, err := s.bench.Bytes(s.T, s.bench.place)
		if err != nil {
			s.Fatalf("Config.Bytes: %v", err)
		}
		return n
	}
	before := measure()
	for _, way := range []string{"Abort of an open file", "Abort of a closed file", "Discard of an open file", "Discard of a closed file"} {
		discarded, open := strings.HasPrefix(way, "Discard"), strings.Contains(way, "open")
		if discarded && (s.traits.HidesAll || open && s.traits.HidesOpen) {
			continue
		}
		up := s.stage(s.a, "f", sized(size))
		if !open {
			s.close(up)
		}
		var errs []error
		if discarded {
			for _, st := range s.staging(s.b) {
				errs = append(errs, s.b.Discard(s.Context(), st))
			}
		} else {
			errs = append(errs, up.Abort(s.Context()))
		}
		if err := errors.Join(errs...); err != nil {
			s.Errorf("%s: %v", way, err)
		}
		if more := measure() - before; more > size/2 {
			s.Errorf("%s of %d bytes: the storage has %d bytes more than before", way, size, more)
			before += more
		}
	}
	s.wantStaging()
}

// Contract: Now is the clock of the storage. Where the suite cannot move that, it moves the machine's: in a process where the
// year is 2000 a Store whose clock is the machine's says so.
func nowIsTheStoragesClock(s *suite) {
	if s.bench.place.Server != "" || s.bench.Local || s.traits.Folder != "" || s.traits.FakeClock {
		return // NowIsTheServersClock, or it may be the machine's
	}
	other := s.bench.process(s.T, yearEnv+"=2000")
	defer other.Kill()
	ctx, cancel := context.WithTimeout(s.Context(), s.bench.Patience)
	defer cancel()
	now, err := other.Now(ctx)
	if err != nil { // as of a server whose certificate begins later
		s.Logf("Now cannot be asked by a process where the year is 2000, so nothing is known of it: %v", err)
	} else if now.Year() == 2000 {
		s.Errorf("Now: it is this machine's clock. That is right only if all processes that use the storage are on one machine: say so by Config.Local")
	}
}
