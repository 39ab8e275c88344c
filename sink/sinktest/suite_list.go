package sinktest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

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
				s.Errorf("List(%q, %q): got %q, want %q", prefix, after, got, want)
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
	s.listStops()
}

// listStops checks that a listing may be left at any object and begun again, also from the same iterator.
func (s *suite) listStops() {
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

// Contract: List yields all objects, however many: stores answer in pages of 1,000.
func listHasManyPages(s *suite) {
	const n, workers = 1100, 16
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if err := s.a.Create(s.Context(), s.dir+fmt.Sprintf("%d/%04d", i%3, i), nil); err != nil {
					s.Errorf("Create: %v", err)
				}
			}
		})
	}
	wg.Wait()
	var want []string
	for d := range 3 {
		for i := d; i < n; i += 3 {
			want = append(want, s.dir+fmt.Sprintf("%d/%04d", d, i))
		}
	}
	got := []string{}
	for _, o := range s.list(s.b, s.dir, "") {
		got = append(got, o.Key)
	}
	if !slices.Equal(got, want) {
		s.Errorf("List of %d objects: got %d, not the same or not in order", len(want), len(got))
	}
}
