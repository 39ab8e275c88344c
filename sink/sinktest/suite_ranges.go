package sinktest

import (
	"bytes"
	"errors"
	"io/fs"
)

// Contract: ReadRange returns the bytes it is asked for, of created and of published objects. A range that is empty, or goes
// beyond the end, is an error that is not fs.ErrNotExist; of what is not there it is that.
func readRangeReadsAPart(s *suite) {
	body := make([]byte, 300<<10)
	for i := range body {
		body[i] = byte(i>>8) ^ byte(i)
	}
	s.create(s.a, "created", body)
	s.publish(s.a, s.staged(s.a, "published", body))
	n := int64(len(body))
	for _, key := range []string{"created", "published"} {
		for _, r := range [][2]int64{{0, 1}, {0, n}, {1, 1}, {n - 1, 1}, {12345, 67890}, {n - 5, 5}} {
			got, err := s.b.ReadRange(s.Context(), s.dir+key, r[0], r[1])
			if want := body[r[0] : r[0]+r[1]]; err != nil || !bytes.Equal(got, want) {
				s.Errorf("ReadRange(%q, %d, %d): %s, %v", key, r[0], r[1], unlike(got, want), err)
			}
		}
		for _, r := range [][2]int64{{0, n + 1}, {n - 5, 6}, {n, 1}, {n + 1, 1}, {0, 0}, {-1, 1}, {0, -1}} {
			if got, err := s.b.ReadRange(s.Context(), s.dir+key, r[0], r[1]); err == nil || errors.Is(err, fs.ErrNotExist) {
				s.Errorf("ReadRange(%q, %d, %d) of %d bytes: got %d bytes, %v, want another error", key, r[0], r[1], n, len(got), err)
			}
		}
	}
	if got, err := s.a.ReadRange(s.Context(), s.dir+"none", 0, 1); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("ReadRange of what is not there: got %q, %v, want fs.ErrNotExist", got, err)
	}
	s.create(s.a, "empty", nil)
	if got, err := s.a.ReadRange(s.Context(), s.dir+"empty", 0, 1); err == nil || errors.Is(err, fs.ErrNotExist) {
		s.Errorf("ReadRange of an empty object: got %q, %v, want another error", got, err)
	}
}

// Contract: after Delete an object is there for nobody, and the key is free. Delete of what is not there succeeds. Other
// objects, also below the key, and what is staged for the key, stay.
func deleteDeletes(s *suite) {
	for _, key := range []string{"d/a", "d/ab", "d/a-b"} {
		s.create(s.a, key, []byte(key))
	}
	s.publish(s.a, s.staged(s.a, "d/p", []byte("published")))
	ref := s.staged(s.a, "d/a", []byte("staged"))
	for range 2 { // the second time there is none
		for _, key := range []string{"d/a", "d/p", "d", "d/none"} {
			if err := s.a.Delete(s.Context(), s.dir+key); err != nil {
				s.Errorf("Delete(%q): got %v", key, err)
			}
		}
	}
	s.wantNone("d/a")
	s.wantNone("d/p")
	s.want("d/ab", []byte("d/ab"))
	s.want("d/a-b", []byte("d/a-b"))
	s.publish(s.b, ref)
	s.want("d/a", []byte("staged"))
	s.create(s.a, "d/p", []byte("again"))
	s.want("d/p", []byte("again"))
}
