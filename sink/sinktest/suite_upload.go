package sinktest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// Contract: List shows what was created and published, and nothing else: no staging, wherever it lies, and no object that
// the Store has for itself.
func listShowsNoStaging(s *suite) {
	all := func(store sink.Store) map[string]bool {
		keys := map[string]bool{}
		for _, o := range s.list(store, "", "") {
			if keys[o.Key] = true; storage.CheckKey(o.Key) != nil {
				s.Errorf("List: %q is no key", o.Key)
			}
		}
		return keys
	}
	before := all(s.a)
	s.create(s.a, "created", []byte("x"))
	s.publish(s.a, s.staged(s.a, "published", []byte("x")))
	if _, ok := now(s, s.a); !ok {
		return
	}
	open, closed := s.stage(s.a, "open", uploadBody(0)), s.staged(s.a, "closed", uploadBody(1))
	for _, store := range []sink.Store{s.a, s.b} {
		got := all(store)
		for key := range before {
			delete(got, key)
		}
		for _, key := range []string{"created", "published"} {
			if !got[s.dir+key] {
				s.Errorf("List of everything: %q is missing", key)
			}
			delete(got, s.dir+key)
		}
		for key := range got {
			s.Errorf("List of everything: %q was neither created nor published: staging lies where List shows it", key)
		}
	}
	s.publish(s.a, closed)
	s.publish(s.a, s.close(open))
}

// Contract: what Close has returned for is in the store, whatever becomes of the process; who has the ref can publish it.
func stagingOutlivesItsProcess(s *suite) {
	sizes := []int{0, 100, 6 << 20}
	refs := make([][]byte, len(sizes))
	other := s.bench.process(s.T)
	store := s.bench.watch(s.T, other)
	for i, size := range sizes {
		refs[i] = s.staged(store, fmt.Sprint("closed", i), sized(size))
	}
	s.stage(store, "open", uploadBody(0))
	other.Kill()
	s.wantStaging("closed0", "closed1", "closed2", "open")
	for i, size := range sizes {
		key := fmt.Sprint("closed", i)
		s.publish(s.a, refs[i])
		s.want(key, sized(size))
	}
	for _, st := range s.staging(s.b) {
		if err := s.b.Discard(s.Context(), st); err != nil {
			s.Errorf("Discard of what a killed process left: %v", err)
		}
	}
	s.wantStaging()
}

// sized makes a body in which no two places look the same.
func sized(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16 ^ i>>8 ^ i)
	}
	return b
}

// Contract: Publish and Create exclude each other at any moment: of a Publish and a Create of one key one succeeds. Publish
// that looks first and writes then loses the other's object.
func publishRacesCreate(s *suite) {
	if s.traits.Overwrites {
		return
	}
	for round := range 20 {
		key := fmt.Sprintf("%02d", round)
		ref := s.staged(s.a, key, []byte("mine"))
		var wg sync.WaitGroup
		var created, published error
		wg.Go(func() { created = s.b.Create(s.Context(), s.dir+key, []byte("theirs")) })
		wg.Go(func() { published = s.a.Publish(s.Context(), ref) })
		wg.Wait()
		switch {
		case created == nil && errors.Is(published, storage.ErrStagingLost):
			s.want(key, []byte("theirs"))
		case published == nil && errors.Is(created, fs.ErrExist):
			s.want(key, []byte("mine"))
		default:
			s.Fatalf("Create and Publish(%q) at once: got %v and %v, want one to succeed", key, created, published)
		}
	}
}

// Contract: Staged lists all files, however many, each once.
func stagedHasManyPages(s *suite) {
	if s.traits.HidesAll {
		return
	}
	n := s.bench.many()
	workers(n, func(i int) {
		up, err := s.a.Stage(s.Context(), s.dir+fmt.Sprintf("%04d", i), s.owner, 0)
		if err == nil {
			_, err = up.Write([]byte("x"))
		}
		if err == nil {
			_, err = up.Close(s.Context())
		}
		if err != nil {
			s.Errorf("upload %d: %v", i, err)
		}
	})
	want := make([]string, n)
	for i := range want {
		want[i] = fmt.Sprintf("%04d", i)
	}
	s.wantStaging(want...)
	found := s.staging(s.a)
	workers(len(found), func(i int) {
		if err := s.b.Discard(s.Context(), found[i]); err != nil {
			s.Errorf("Discard: %v", err)
		}
	})
	s.wantStaging()
}

// many is more than a page of entries: two pages and a bit, if they are small.
func (b *bench) many() int {
	if b.Page <= 100 {
		return 2*b.Page + 1
	}
	return b.Page + 50
}

// workers calls f for 0 to n-1, several at once.
func workers(n int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// Contract: Discard and Abort show the file to nobody, not for a moment.
func discardShowsNothing(s *suite) {
	for round := range 10 {
		key := fmt.Sprintf("%02d", round)
		up := s.stage(s.a, key, uploadBody(0))
		var done atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for last := false; !last; { // once more when it is over
				last = done.Load()
				if body, err := s.b.Read(s.Context(), s.dir+key, 1<<20); !errors.Is(err, fs.ErrNotExist) {
					s.Errorf("Read(%q) while it was thrown away: got %d bytes, %v, want fs.ErrNotExist", key, len(body), err)
					return
				}
			}
		})
		if round%2 == 0 {
			s.close(up)
		}
		if round%4 < 2 {
			for _, st := range s.staging(s.a) {
				if err := s.a.Discard(s.Context(), st); err != nil {
					s.Errorf("Discard: %v", err)
				}
			}
		}
		if err := up.Abort(s.Context()); err != nil {
			s.Errorf("Abort: %v", err)
		}
		done.Store(true)
		wg.Wait()
	}
	if got := s.list(s.b, s.dir, ""); len(got) > 0 {
		s.Errorf("List after all was thrown away: got %v", got)
	}
	s.wantStaging()
}

// Contract: Abort of a file that somebody has published meanwhile does not touch it.
func abortSparesThePublished(s *suite) {
	up := s.stage(s.a, "f", []byte("body"))
	ref := s.close(up)
	s.publish(s.b, ref)
	for range 2 {
		if err := up.Abort(s.Context()); err != nil {
			s.Errorf("Abort of a published file: %v", err)
		}
		s.want("f", []byte("body"))
	}
	s.publish(s.b, ref)
}

// Contract: an upload ends with its first Close or Abort. Write and Close fail from then on and change nothing.
func uploadsEndOnce(s *suite) {
	closed, aborted := s.stage(s.a, "closed", []byte("body")), s.stage(s.a, "aborted", []byte("body"))
	ref := s.close(closed)
	if err := aborted.Abort(s.Context()); err != nil {
		s.Errorf("Abort: %v", err)
	}
	for name, up := range map[string]storage.Upload{"Close": closed, "Abort": aborted} {
		if _, err := up.Write([]byte("more")); err == nil {
			s.Errorf("Write after %s: got no error", name)
		}
		if _, err := up.Close(s.Context()); err == nil {
			s.Errorf("Close after %s: got no error", name)
		}
	}
	s.publish(s.b, ref)
	s.want("closed", []byte("body"))
	s.wantNone("aborted")
}

// Contract: two uploads of one key are two files, also by one owner and at one time: neither gets bytes of the other, and
// what becomes of one is nothing to the other.
func uploadsOfOneKeyAreTwo(s *suite) {
	const chunk, chunks = 1 << 20, 11 // more than a part, in stores that have them
	for i, n := range []int{1, chunks} {
		key := fmt.Sprint("f", i)
		first, second := s.stage(s.a, key, nil), s.stage(s.a, key, nil)
		third := s.stage(s.b, key, []byte("third"))
		for range n {
			for c, up := range []storage.Upload{first, second} {
				if _, err := up.Write(bytes.Repeat([]byte{'a' + byte(c)}, chunk)); err != nil {
					s.Fatalf("Write: %v", err)
				}
			}
		}
		lost, ref, letter := s.close(first), s.close(second), byte('b')
		if i == 1 { // once the one that wrote last, once the other
			lost, ref, letter = ref, lost, 'a'
		}
		want := bytes.Repeat([]byte{letter}, chunk*n)
		if err := third.Abort(s.Context()); err != nil {
			s.Errorf("Abort of a third: %v", err)
		}
		found := slices.DeleteFunc(s.staging(s.b), func(st storage.Staging) bool { return st.Key != s.dir+key })
		if ids := len(slices.CompactFunc(slices.Clone(found), func(a, b storage.Staging) bool { return a.ID == b.ID })); !s.traits.HidesAll && ids != 2 {
			s.Errorf("Staged: got %v, want two files with IDs of their own", found)
		}
		s.publish(s.b, ref)
		s.want(key, want)
		if s.traits.Overwrites {
			continue // the other would take its place
		}
		if err := s.a.Publish(s.Context(), lost); !errors.Is(err, storage.ErrStagingLost) {
			s.Errorf("Publish of the other: got %v, want ErrStagingLost", err)
		}
		s.want(key, want)
		for _, st := range s.staging(s.b) {
			if err := s.b.Discard(s.Context(), st); err != nil {
				s.Errorf("Discard of the other: %v", err)
			}
		}
		s.publish(s.a, ref)
		s.want(key, want)
	}
	discardTakesOne(s)
}

// discardTakesOne checks that Discard throws away the file that it names, and not another of the same key.
func discardTakesOne(s *suite) {
	s.Helper()
	if s.traits.HidesAll {
		return
	}
	before := map[string]bool{}
	for _, st := range s.staging(s.a) {
		before[st.ID] = true
	}
	kept := s.staged(s.a, "two", []byte("kept"))
	keptID := ""
	for _, st := range s.staging(s.a) {
		if !before[st.ID] {
			keptID = st.ID
		}
	}
	s.staged(s.a, "two", []byte("thrown away"))
	for _, st := range s.staging(s.b) {
		if st.Key == s.dir+"two" && st.ID != keptID {
			if err := s.b.Discard(s.Context(), st); err != nil {
				s.Errorf("Discard: %v", err)
			}
		}
	}
	s.publish(s.a, kept)
	s.want("two", []byte("kept"))
}
