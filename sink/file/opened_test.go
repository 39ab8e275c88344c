package file

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Folders are kept open. Who moves one away, perhaps to look at it, must not find that rows still go there.
func TestAFolderThatWasMovedAwayIsWrittenToNoMore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(key string) {
		t.Helper()
		ref, err := stage(t.Context(), s, key)
		if err == nil {
			err = s.Publish(t.Context(), ref)
		}
		if err == nil {
			err = s.Create(t.Context(), key+"-created", []byte(body))
		}
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	for i := range 3 {
		put(fmt.Sprint("a/b/c/before", i))
		moved := filepath.Join(dir, fmt.Sprint("moved", i))
		if err := os.Rename(filepath.Join(dir, "a", "b"), moved); err != nil {
			t.Fatal(err)
		}
		put(fmt.Sprint("a/b/c/after", i))
		put(fmt.Sprint("a/b/d/after", i)) // below the folder that was moved, not in it
		for _, name := range []string{"c", "d"} {
			if _, err := os.Stat(filepath.Join(dir, "a", "b", name, fmt.Sprint("after", i))); err != nil {
				t.Error(err)
			}
		}
		if names, _ := filepath.Glob(filepath.Join(moved, "*", fmt.Sprint("after", i, "*"))); len(names) > 0 {
			t.Errorf("%q are where the folder was moved", names)
		}
	}
}

// However many folders there are, few are kept open.
func TestFewFoldersAreKeptOpen(t *testing.T) {
	s, err := Open(t.TempDir(), &Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4*keptFolders + 10 {
		if err := s.Create(t.Context(), fmt.Sprintf("a/%d/x", i), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	kept := &s.tree.disk.(rootDisk).used
	if n := kept.Len(); n > keptFolders {
		t.Errorf("%d folders are open, want at most %d", n, keptFolders)
	}
	if err := s.Close(); err != nil || kept.Len() != 0 {
		t.Errorf("%d folders are open after Close, %v", kept.Len(), err)
	}
}
