package clickstream

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestSameSeedSameBytes(t *testing.T) {
	a, b, c := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "c")
	for dir, seed := range map[string]uint64{a: 1, b: 1, c: 2} {
		if err := Generate(dir, seed, 50_000); err != nil {
			t.Fatal(err)
		}
	}
	for i := range Partitions {
		name := filepath.Base(must(filepath.Glob(filepath.Join(a, "clicks-*")))[i])
		x, y, z := must(os.ReadFile(filepath.Join(a, name))), must(os.ReadFile(filepath.Join(b, name))), must(os.ReadFile(filepath.Join(c, name)))
		if !bytes.Equal(x, y) || len(x) == 0 {
			t.Errorf("%s: two runs with one seed differ", name)
		}
		if bytes.Equal(x, z) {
			t.Errorf("%s: two seeds give the same", name)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		if err := Generate(filepath.Join(b.TempDir(), "x"), 1, 1_000_000); err != nil {
			b.Fatal(err)
		}
	}
}
