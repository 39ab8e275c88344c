package sinktest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// Contract: a staged file is not to be seen before Publish, neither while it is written nor when it is closed.
func stagingIsInvisible(s *suite) {
	before := s.list(s.a, s.dir, "")
	up := s.stage(s.a, "f", []byte("body"))
	s.wantNone("f")
	ref := s.close(up)
	s.wantNone("f")
	if got := s.list(s.b, s.dir, ""); !slices.Equal(got, before) {
		s.Errorf("List: got %v, want %v", got, before)
	}
	if s.traits.Overwrites {
		return
	}
	// The key is free as long as nobody published it: another upload of the same key is another file.
	s.publish(s.b, s.staged(s.b, "f", []byte("other")))
	s.want("f", []byte("other"))
	if err := s.a.Publish(s.Context(), ref); !errors.Is(err, storage.ErrStagingLost) {
		s.Errorf("Publish of the first: got %v, want ErrStagingLost", err)
	}
}

// Contract: a published file has the bytes of all Writes in their order, however many and long, also if it gets longer than
// Stage was told. Write must not retain p.
func publishShowsWhatWasWritten(s *suite) {
	for i, c := range []struct {
		size, chunk int
		most        int64
	}{{0, 1, 0}, {1, 1, 1 << 40}, {1000, 7, 10}, {64 << 10, 64 << 10, 0}, {13<<20 + 17, 1<<20 + 3, 12 << 20}} {
		key := fmt.Sprint("f", i)
		want := sized(c.size)
		up, err := s.a.Stage(s.Context(), s.dir+key, s.owner, c.most)
		if err != nil {
			s.Fatalf("Stage(%q): %v", key, err)
		}
		buf := make([]byte, c.chunk)
		for rest := want; len(rest) > 0; {
			n := copy(buf, rest)
			if m, err := up.Write(buf[:n]); m != n || err != nil {
				s.Fatalf("Write: got %d, %v, want %d", m, err, n)
			}
			rest = rest[n:]
			clear(buf)
		}
		s.publish(s.b, s.close(up))
		s.want(key, want)
	}
	s.wantStaging()
}

// Contract: Publish of what is published already is success, in every process and at any later time.
func publishIsIdempotent(s *suite) {
	ref := s.staged(s.a, "f", []byte("body"))
	given := bytes.Clone(ref)
	for range 3 {
		s.publish(s.a, ref)
		s.publish(s.b, ref)
	}
	if !bytes.Equal(ref, given) {
		s.Error("Publish changed its ref")
	}
	s.want("f", []byte("body"))
	s.wantStaging()
}

// Contract: any number of processes may publish a file at the same time; all of them succeed.
func publishByMany(s *suite) {
	for round := range 5 {
		key := fmt.Sprint("f", round)
		ref := s.staged(s.a, key, []byte(key))
		var wg sync.WaitGroup
		for i := range 8 {
			store := s.a
			if i%2 == 1 {
				store = s.b
			}
			wg.Go(func() {
				if err := store.Publish(s.Context(), ref); err != nil {
					s.Errorf("Publish by one of many: %v", err)
				}
			})
		}
		wg.Wait()
		s.want(key, []byte(key))
	}
}

// Contract: Publish never overwrites: if another object has the key, the error matches ErrStagingLost and that object stays.
// A store may take an object with the same bytes for the file. A store with Traits.Overwrites may replace it.
func publishNeverOverwrites(s *suite) {
	if s.traits.Overwrites {
		ref := s.staged(s.a, "taken", []byte("mine"))
		s.publish(s.a, s.staged(s.a, "taken", []byte("else")))
		err := s.b.Publish(s.Context(), ref)
		switch {
		case err == nil:
			s.want("taken", []byte("mine"))
		case errors.Is(err, storage.ErrStagingLost):
			s.want("taken", []byte("else"))
		default:
			s.Errorf("Publish over another file: got %v, want success or ErrStagingLost", err)
		}
		return
	}
	for i, body := range []string{"else", "longer than mine", ""} {
		created, published := fmt.Sprint("created", i), fmt.Sprint("published", i)
		refs := [][]byte{s.staged(s.a, created, []byte("mine")), s.staged(s.a, published, []byte("mine"))}
		s.create(s.b, created, []byte(body))
		s.publish(s.b, s.staged(s.b, published, []byte(body)))
		for _, ref := range refs {
			for _, store := range []sink.Store{s.a, s.b} {
				if err := store.Publish(s.Context(), ref); !errors.Is(err, storage.ErrStagingLost) {
					s.Errorf("Publish over %q: got %v, want ErrStagingLost", body, err)
				}
			}
		}
		s.want(created, []byte(body))
		s.want(published, []byte(body))
	}
	keyIsTakenBefore(s)
	// The other way round: Create never overwrites what was published.
	s.publish(s.a, s.staged(s.a, "first", []byte("mine")))
	if err := s.b.Create(s.Context(), s.dir+"first", []byte("else")); !errors.Is(err, fs.ErrExist) {
		s.Errorf("Create over a published file: got %v, want fs.ErrExist", err)
	}
	s.want("first", []byte("mine"))
}

// keyIsTakenBefore takes the key at other moments of an upload. Stage and Close may fail then, as Publish must.
func keyIsTakenBefore(s *suite) {
	s.Helper()
	for _, moment := range []string{"Stage", "Write", "Close"} {
		key := "taken-before-" + moment
		take := func(now string) {
			if now == moment {
				s.create(s.b, key, []byte("theirs"))
			}
		}
		take("Stage")
		up, err := s.a.Stage(s.Context(), s.dir+key, s.owner, 0)
		take("Write")
		if err == nil {
			_, err = up.Write([]byte("mine"))
		}
		take("Close")
		if err == nil {
			var ref []byte
			if ref, err = up.Close(s.Context()); err == nil {
				if err = s.a.Publish(s.Context(), ref); !errors.Is(err, storage.ErrStagingLost) {
					s.Errorf("Publish(%q): got %v, want ErrStagingLost", key, err)
				}
			}
		}
		if err == nil {
			s.Errorf("%q: the file was published over another object", key)
		}
		s.want(key, []byte("theirs"))
	}
}

// Contract: Publish of a file that is neither in staging nor in place matches ErrStagingLost, each time. A ref that no
// Close returned is an error.
func publishOfLostStaging(s *suite) {
	ref := s.staged(s.a, "f", []byte("body"))
	if s.traits.HidesAll {
		return
	}
	for _, st := range s.staging(s.b) {
		if err := s.b.Discard(s.Context(), st); err != nil {
			s.Fatalf("Discard: %v", err)
		}
	}
	for range 2 {
		if err := s.a.Publish(s.Context(), ref); !errors.Is(err, storage.ErrStagingLost) {
			s.Errorf("Publish after Discard: got %v, want ErrStagingLost", err)
		}
	}
	s.wantNone("f")
	for _, bad := range []string{"", "x", "{}", "null", "\x00"} {
		if err := s.a.Publish(s.Context(), []byte(bad)); err == nil {
			s.Errorf("Publish of the ref %q: got no error", bad)
		}
	}
}

// Contract: Staged lists the files that are staged, open or closed, of all processes, with key and owner, and those that
// are published or gone no more.
func stagedListsOpenAndClosed(s *suite) {
	open := s.stage(s.a, "open", []byte("123"))
	closed := s.staged(s.b, "closed-日本=😀%2F", []byte("12345"))
	s.publish(s.a, s.staged(s.a, "published", nil))
	s.wantStaging("closed-日本=😀%2F", "open")
	ids := map[string]bool{}
	for _, st := range s.staging(s.a) {
		ids[st.ID] = true
	}
	if want := len(s.staging(s.a)); len(ids) != want {
		s.Errorf("Staged: got %d IDs for %d files", len(ids), want)
	}
	s.publish(s.b, closed)
	s.wantStaging("open")
	s.publish(s.a, s.close(open))
	s.wantStaging()
}

// Contract: Discard never touches a published file, also if it was in staging when the sweeper looked; none there is
// success.
func discardSparesThePublished(s *suite) {
	ref := s.staged(s.a, "f", []byte("body"))
	found := s.staging(s.b)
	if s.traits.HidesAll {
		return
	}
	if len(found) != 1 {
		s.Fatalf("Staged: got %v, want one file", found)
	}
	s.publish(s.a, ref)
	for range 2 {
		if err := s.b.Discard(s.Context(), found[0]); err != nil {
			s.Errorf("Discard of a published file's staging: %v", err)
		}
	}
	s.want("f", []byte("body"))
	s.publish(s.b, ref)
}

// Contract: an upload whose staging somebody discards never becomes visible: either its Close fails or its Publish matches
// ErrStagingLost.
func discardEndsAnUpload(s *suite) {
	if s.traits.HidesOpen || s.traits.HidesAll {
		return
	}
	up := s.stage(s.a, "f", []byte("body"))
	for _, st := range s.staging(s.b) {
		for range 2 {
			if err := s.b.Discard(s.Context(), st); err != nil {
				s.Errorf("Discard: %v", err)
			}
		}
	}
	s.wantStaging()
	if ref, err := up.Close(s.Context()); err == nil {
		if err := s.a.Publish(s.Context(), ref); !errors.Is(err, storage.ErrStagingLost) {
			s.Errorf("Publish: got %v, want ErrStagingLost", err)
		}
	}
	if err := up.Abort(s.Context()); err != nil {
		s.Errorf("Abort: %v", err)
	}
	s.wantNone("f")
	s.wantStaging()
}

// Contract: Abort instead of Close, or after it, leaves nothing; called again it is success.
func abortLeavesNothing(s *suite) {
	open, closed := s.stage(s.a, "open", []byte("body")), s.stage(s.a, "closed", []byte("body"))
	ref := s.close(closed)
	for _, up := range []storage.Upload{open, closed} {
		for range 2 {
			if err := up.Abort(s.Context()); err != nil {
				s.Errorf("Abort: %v", err)
			}
		}
	}
	s.wantStaging()
	s.wantNone("open")
	s.wantNone("closed")
	if err := s.b.Publish(s.Context(), ref); !errors.Is(err, storage.ErrStagingLost) {
		s.Errorf("Publish after Abort: got %v, want ErrStagingLost", err)
	}
}

// Contract: a Store is safe for concurrent use: uploads side by side do not mix.
func uploadsDoNotMix(s *suite) {
	var wg sync.WaitGroup
	const n = 16
	for i := range n {
		store, other := s.a, s.b
		if i%2 == 1 {
			store, other = s.b, s.a
		}
		wg.Go(func() {
			up, err := store.Stage(s.Context(), s.dir+fmt.Sprint("f", i), s.owner, 0)
			if err != nil {
				s.Errorf("Stage: %v", err)
				return
			}
			for range 50 {
				if _, err := up.Write(uploadBody(i)); err != nil {
					s.Errorf("Write: %v", err)
				}
			}
			ref, err := up.Close(s.Context())
			if err != nil {
				s.Errorf("Close: %v", err)
				return
			}
			if err := other.Publish(s.Context(), ref); err != nil {
				s.Errorf("Publish: %v", err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		s.want(fmt.Sprint("f", i), bytes.Repeat(uploadBody(i), 50))
	}
	s.wantStaging()
}

func uploadBody(i int) []byte { return bytes.Repeat([]byte{'a' + byte(i)}, 100+i) }
