package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) { sinktest.Run(t, conformance(nil)) }

func TestConformanceWithoutSync(t *testing.T) {
	sinktest.Run(t, conformance(&file.Options{NoSync: true}))
}

func conformance(o *file.Options) sinktest.Config {
	return sinktest.Config{
		Setup: func(t *testing.T) sinktest.Place { return sinktest.Place{Name: t.TempDir()} },
		Open:  func(t *testing.T, at sinktest.Place) (driver.Store, error) { return open(t, at.Name, o), nil },
		Page:  5, // a folder has none
		Put:   putForeign,
		Cut:   cutFile,
		Bytes: bytesOf,
	}
}

// putForeign makes a file as another program does, in the folder or below.
func putForeign(t *testing.T, at sinktest.Place, name string, body []byte) error {
	t.Helper()
	root, err := os.OpenRoot(at.Name)
	if err != nil {
		return err
	}
	defer root.Close()
	name = filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return root.WriteFile(name, body, 0o666)
}

func cutFile(t *testing.T, at sinktest.Place, key string) error {
	t.Helper()
	name := filepath.Join(at.Name, filepath.FromSlash(key))
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return os.Truncate(name, info.Size()/2)
}

func bytesOf(t *testing.T, at sinktest.Place) (n int64, err error) {
	t.Helper()
	err = filepath.WalkDir(at.Name, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

func open(t *testing.T, dir string, opts *file.Options) *file.Store {
	t.Helper()
	s, err := file.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func list(t *testing.T, s driver.Store) []string {
	t.Helper()
	keys := []string{}
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// Open makes the folder and all above it; a file in its place is an error.
func TestOpenMakesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir, nil)
	if err := s.Create(t.Context(), "c/d", []byte("x")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "c", "d")); string(b) != "x" || err != nil {
		t.Errorf("got %q, %v, want x", b, err)
	}
	if _, err := file.Open(filepath.Join(dir, "c", "d"), nil); err == nil {
		t.Error("Open of a file: got no error")
	}
}

// A reader's handle writes nothing, not even folders.
func TestReadOnlyWritesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, &file.Options{ReadOnly: true})
	if err := s.Create(t.Context(), "a", nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Create: got %v, want fs.ErrPermission", err)
	}
	if _, err := s.Stage(t.Context(), "a", "o", 0); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Stage: got %v, want fs.ErrPermission", err)
	}
	for st, err := range s.Staged(t.Context()) {
		t.Errorf("Staged: got %v, %v, want nothing", st, err)
	}
	if entries, err := os.ReadDir(dir); len(entries) > 0 || err != nil {
		t.Errorf("the folder has %v, %v, want nothing", entries, err)
	}
	if err := open(t, dir, nil).Create(t.Context(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Read(t.Context(), "a", 1); string(b) != "x" || err != nil {
		t.Errorf("Read: got %q, %v, want x", b, err)
	}
	missing := filepath.Join(dir, "no")
	if _, err := file.Open(missing, &file.Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of nothing to read it: got %v, want fs.ErrNotExist", err)
	}
}

// No symbolic link leads out of the folder, whoever made it.
func TestSymbolicLinksAreNotFollowedOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, nil)
	for name, target := range map[string]string{"out": outside, "file": secret, "in": "flow", "up": "../" + filepath.Base(outside)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	if err := s.Create(t.Context(), "flow/x", nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"out/new", "out/secret", "file", "in/new", "up/new"} {
		if err := s.Create(t.Context(), key, []byte("x")); err == nil || errors.Is(err, fs.ErrExist) {
			t.Errorf("Create(%q): got %v, want another error", key, err)
		}
		if up, err := s.Stage(t.Context(), key, "o", 0); err != nil {
			t.Errorf("Stage(%q): %v", key, err) // it is the publication that would follow the link
		} else if ref, err := up.Close(t.Context()); err != nil {
			t.Error(err)
		} else if err := s.Publish(t.Context(), ref); err == nil {
			t.Errorf("Publish(%q): got no error", key)
		}
	}
	for _, key := range []string{"out/secret", "file", "up/secret"} {
		if b, err := s.Read(t.Context(), key, 100); err == nil {
			t.Errorf("Read(%q): got %q", key, b)
		}
	}
	if got, want := list(t, s), []string{"flow/x"}; !slices.Equal(got, want) {
		t.Errorf("List: got %q, want %q", got, want)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("outside there is now %v", entries)
	}
}

// Files of others, which are no objects and no staging of ours, are passed over.
func TestForeignFilesArePassedOver(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for _, name := range []string{
		"lost+found/x", "a b/c", "Icon\r", "\u202e", "_onceflow/.staging/readme", "_onceflow/.staging/x,y", "_onceflow/.staging/x,o,..,y,", "_onceflow/.staging/x+/y",
		"_onceflow/.staging/tmp/y", "_onceflow/.staging/x,o,y,/z",
		"rows/\x01", "rows/a\x1f-1&<>\"", "rows/a b-1", "rows/100 %", "rows/plus+1", "rows/\xff\xfe", "_onceflow/job/e0001/s0000/\x01", "_onceflow/.staging/\xff,o,y,", "_onceflow/.staging/a b,o,y,",
	} {
		p := filepath.Join(dir, filepath.FromSlash(name))
		err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o777), os.WriteFile(p, nil, 0o666))
		if err != nil && utf8.ValidString(name) { // not every system has names that are not
			t.Fatal(err)
		}
	}
	if err := s.Create(t.Context(), "z", nil); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s); !slices.Equal(got, []string{"z"}) {
		t.Errorf("List: got %q, want z", got)
	}
	for st, err := range s.Staged(t.Context()) {
		t.Errorf("Staged: got %v, %v, want nothing", st, err)
	}
}

// What a killed Create leaves is removed when it is old by the file system's own clock; what is young may be in use.
func TestOpenRemovesOldTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	temp := filepath.Join(dir, "_onceflow", ".staging", "tmp")
	for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "young": 10 * time.Minute} {
		p := filepath.Join(temp, name)
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(p, []byte("x"), 0o666), os.Chtimes(p, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir, nil)
	entries, err := os.ReadDir(temp)
	if err != nil || len(entries) != 1 || entries[0].Name() != "young" {
		t.Errorf("got %v, %v, want only the young one", entries, err)
	}
}

func TestPermissionErrorsSayWhatToLookAt(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	if err := s.Create(t.Context(), "flow/x", nil); err != nil {
		t.Fatal(err)
	}
	flow := filepath.Join(dir, "flow")
	if err := os.Chmod(flow, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(flow, 0o755) })
	err := s.Create(t.Context(), "flow/y", nil)
	if err == nil {
		t.Skip("this user may write everywhere")
	}
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "owner and the mode") {
		t.Errorf("got %v, want fs.ErrPermission and what to look at", err)
	}
}

// An object and a folder cannot have one name; a file system is no key-value store in that.
func TestAnObjectIsNoFolder(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	if err := s.Create(t.Context(), "a/b", nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c"} {
		if err := s.Create(t.Context(), key, nil); err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Create(%q) beside a/b: got %v, want another error", key, err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	for name, opts := range map[string]*file.Options{"sync": nil, "nosync": {NoSync: true}} {
		b.Run(name, func(b *testing.B) {
			s, err := file.Open(b.TempDir(), opts)
			if err != nil {
				b.Fatal(err)
			}
			body := make([]byte, 4096)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.Create(b.Context(), key(i), body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStageAndPublish(b *testing.B) {
	for name, opts := range map[string]*file.Options{"sync": nil, "nosync": {NoSync: true}} {
		b.Run(name, func(b *testing.B) {
			s, err := file.Open(b.TempDir(), opts)
			if err != nil {
				b.Fatal(err)
			}
			block := make([]byte, 256<<10)
			b.ReportAllocs()
			b.SetBytes(int64(len(block)))
			for i := 0; b.Loop(); i++ {
				up, err := s.Stage(b.Context(), key(i), "o", 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := up.Write(block); err != nil {
					b.Fatal(err)
				}
				ref, err := up.Close(b.Context())
				if err == nil {
					err = s.Publish(b.Context(), ref)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
