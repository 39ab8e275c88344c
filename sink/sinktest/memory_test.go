package sinktest_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func keys(t *testing.T, s sink.Store) []string {
	t.Helper()
	var list []string
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		list = append(list, o.Key)
	}
	return list
}

func staging(t *testing.T, s sink.Store) []storage.Staging {
	t.Helper()
	var list []storage.Staging
	for o, err := range s.Staged(t.Context()) {
		if err != nil {
			t.Fatalf("Staged: %v", err)
		}
		list = append(list, o)
	}
	return list
}

// A test that goes on from one state in two ways must not see one way in the other, uploads under way included.
func TestCloneIsIndependent(t *testing.T) {
	m := sinktest.NewMemory()
	up, err := m.Stage(t.Context(), "f", "o", 0)
	if err != nil {
		t.Fatal(err)
	}
	write(t, up, "abc")
	c := m.Clone()
	write(t, up, "def")
	if err := m.Create(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, c); len(got) != 0 {
		t.Errorf("keys of the clone: got %q, want none", got)
	}
	if got := staging(t, c)[0].Bytes; got != 3 {
		t.Errorf("staged bytes of the clone: got %d, want 3", got)
	}
	ref, err := up.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), ref); !errors.Is(err, storage.ErrStagingLost) {
		t.Errorf("publish in the clone: got %v, want ErrStagingLost", err)
	}
	if err := m.Publish(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

func TestOverwriteAndDeleteChangeWhatIsThere(t *testing.T) {
	m := sinktest.NewMemory()
	if err := m.Create(t.Context(), "a/b", []byte("one")); err != nil {
		t.Fatal(err)
	}
	m.Overwrite("a/b", []byte("two"))
	if b, err := m.Read(t.Context(), "a/b", 3); string(b) != "two" || err != nil {
		t.Errorf("got %q, %v, want two", b, err)
	}
	m.Lose("a/b")
	if _, err := m.Read(t.Context(), "a/b", 3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if got := keys(t, m); !slices.Equal(got, nil) {
		t.Errorf("keys: got %q, want none", got)
	}
}

func write(t *testing.T, up storage.Upload, s string) {
	t.Helper()
	if n, err := up.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write: got %d, %v, want %d", n, err, len(s))
	}
}
