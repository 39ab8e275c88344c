package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
)

// Somebody deletes a published file, or replaces it, before its hour closes. The hour was once sealed without a word.
func TestAnHourWhoseFilesWereChangedIsNotSealed(t *testing.T) {
	noon := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	for want, change := range map[string]func(string) error{
		" is gone":                             os.Remove,
		" has 3 bytes, it was published with ": func(f string) error { return os.WriteFile(f, []byte("xyz"), 0o666) },
	} {
		dir := t.TempDir()
		store, err := sinkfile.Open(dir, &sinkfile.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		sealed := func() error {
			_, err := sink.Sealed(t.Context(), store, "etl", noon, nil)
			return err
		}
		out := attached(t, store, &seal.Options{Verify: true})
		reach(t, out, 1, noon, noon)
		reach(t, out, 2, noon.Add(time.Minute), noon.Add(time.Minute))
		names, err := filepath.Glob(filepath.Join(dir, "hits", "day=2025-05-01", "hour=12", "*.jsonl"))
		if err != nil || len(names) != 2 {
			t.Fatalf("%q, %v", names, err)
		}
		whole, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := change(names[0]); err != nil {
			t.Fatal(err)
		}
		err = tryReach(t, out, 3, noon.Add(2*time.Hour), noon.Add(2*time.Hour))
		if err == nil || !strings.Contains(err.Error(), filepath.Base(names[0])+want) || strings.Contains(err.Error(), filepath.Base(names[1])) {
			t.Errorf("got %v, want that the first of %q%s", err, names, want)
		}
		if err := sealed(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file%s, and the hour is sealed: %v", want, err)
		}
		if err := os.WriteFile(names[0], whole, 0o666); err != nil {
			t.Fatal(err)
		}
		reach(t, out, 4, noon.Add(2*time.Hour), noon.Add(2*time.Hour))
		if err := sealed(); err != nil {
			t.Errorf("the file was restored, and the hour is not sealed: %v", err)
		}
	}
}
