package audit_test

import (
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/audittest"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func folder(t testing.TB, store sink.Store) *audit.Folder {
	t.Helper()
	f, err := audit.OpenFolder(t.Context(), store, "clicks")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestObjectsConform(t *testing.T) {
	stores := map[string]func(*testing.T) sink.Store{
		"Memory": func(*testing.T) sink.Store { return sinktest.NewMemory() },
		"File": func(t *testing.T) sink.Store {
			s, err := file.Open(t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			audittest.Run(t, func(t *testing.T) func() audit.Registry {
				store := open(t)
				return func() audit.Registry { return audit.NewObjects(folder(t, store)) }
			})
		})
	}
}

func TestWhatHasExpiredIsDeleted(t *testing.T) {
	g := audit.NewObjects(folder(t, sinktest.NewMemory()))
	for _, h := range []int{-25, -2, 0, 2} {
		if err := g.Register(t.Context(), audit.Registration{ID: audit.NewID(noon.Add(time.Duration(h) * time.Hour)), Lines: 1, Oldest: noon}); err != nil {
			t.Fatal(err)
		}
	}
	err := g.Expire(t.Context(), noon)
	n := 0
	for range g.List(t.Context(), noon.Add(-48*time.Hour), noon.Add(48*time.Hour)) {
		n++
	}
	if err != nil || n != 2 {
		t.Errorf("%v, %d are left, want 2", err, n)
	}
}

// Objects of others in the folder are no batches.
func TestForeignObjectsAreNoRegistrations(t *testing.T) {
	store := sinktest.NewMemory()
	f := folder(t, store)
	g := audit.NewObjects(f)
	id := audit.NewID(noon)
	want := audit.Registration{ID: id, Lines: 3, Bytes: 5, Oldest: noon}
	if err := g.Register(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", id.String(), id.String() + "-3-5", id.String() + "-3-5-x", id.String() + "-3-5-6-7", id.String() + "-0-5-6", id.String() + "-+3-5-6", id.String() + "x3-5-6", "u" + id.String()[1:] + "-3-5-6"} {
		if err := store.Create(t.Context(), "_audit/clicks/registry/2025-05-01T12/"+name, nil); err != nil && name != id.String()+"-+3-5-6" {
			t.Fatal(err)
		}
	}
	for r, err := range g.List(t.Context(), noon, noon.Add(time.Hour)) {
		if err != nil || r.Compare(&want) != 0 {
			t.Errorf("listed %v, %v, want %v", r, err, want)
		}
	}
}

func TestNonsenseIsNotRegistered(t *testing.T) {
	g := audit.NewObjects(folder(t, sinktest.NewMemory()))
	for _, r := range []audit.Registration{
		{ID: audit.NewID(noon), Oldest: noon}, {ID: audit.NewID(noon), Lines: audit.MaxLines + 1, Oldest: noon}, {ID: audit.NewID(noon), Lines: 1, Bytes: -1, Oldest: noon},
		{ID: audit.ID{0xff, 0xff}, Lines: 1, Oldest: noon}, {ID: audit.NewID(noon), Lines: 1, Bytes: 1 << 62, Oldest: noon},
		{ID: audit.NewID(noon), Lines: 1, Oldest: time.UnixMilli(1 << 62)}, {ID: audit.NewID(noon), Lines: 1},
	} {
		if err := g.Register(t.Context(), r); err == nil {
			t.Errorf("%v is registered", r)
		}
	}
	for _, name := range []string{"", "a/b", "-a", "Ä", "A"} {
		if _, err := audit.OpenFolder(t.Context(), sinktest.NewMemory(), name); err == nil {
			t.Errorf("a folder is named %q", name)
		}
	}
}
