package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/onceflow/onceflow/sink/driver"
)

func newFake(t *testing.T) (*fakeDisk, *Store) {
	t.Helper()
	d := newFakeDisk()
	s := newStore("fake", d)
	if err := s.staging.prepare(); err != nil {
		t.Fatal(err)
	}
	return d, s
}

// failOp makes the next call of op fail.
func (d *fakeDisk) failOp(op string, err error) {
	d.fault = func(_ int, o string) error {
		if o != op {
			return nil
		}
		d.fault = nil
		return err
	}
}

// Who is told that an entry exists goes on from there. The process that made it may not have come to sync its name.
func TestAnObjectThatExistsLasts(t *testing.T) {
	for name, key := range map[string]string{"found at once": "a/b", "found by link": "a/c"} {
		d, s := newFake(t)
		d.fault = func(_ int, op string) error {
			if op == "sync folder" && d.has(key) {
				return errors.New("killed")
			}
			return nil
		}
		if err := s.Create(t.Context(), key, []byte(body)); err == nil {
			t.Fatal("Create succeeded although the process was killed")
		}
		d.fault = nil
		other := newStore("fake", d)
		if name == "found by link" {
			other.tree.disk = blind{d}
		}
		if err := other.Create(t.Context(), key, []byte("another")); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("%s: got %v, want fs.ErrExist", name, err)
		}
		for seed := range uint64(20) {
			after := newStore("fake", d.afterPowerLoss(rand.New(rand.NewPCG(seed, 0))))
			if got, err := after.Read(t.Context(), key, 100); string(got) != body {
				t.Fatalf("%s: after the power was lost: got %q, %v, want %q", name, got, err, body)
			}
		}
	}
}

func (d *fakeDisk) has(key string) bool {
	_, err := d.find(key)
	return err == nil
}

// blind is a disk that shows no object: as when it is made between a look and a link.
type blind struct{ *fakeDisk }

func (d blind) Lstat(name string) (fs.FileInfo, error) {
	if info, err := d.fakeDisk.Lstat(name); err != nil || info.IsDir() || strings.HasPrefix(name, stagingFolder) {
		return info, err
	}
	return nil, fs.ErrNotExist
}

// Another process may take the file of a slow Create for one that a dead process left.
func TestCreateOutlivesTheRemovalOfItsFile(t *testing.T) {
	d, s := newFake(t)
	removed := 0
	d.fault = func(_ int, op string) error {
		if op == "link" && removed < 2 {
			removed++
			tmp, _ := d.find(tempFolder)
			clear(tmp.names)
		}
		return nil
	}
	if err := s.Create(t.Context(), "a/b", []byte(body)); err != nil || removed != 2 {
		t.Errorf("got %v after %d removals", err, removed)
	}
}

// A folder that somebody removed, being empty, is made again.
func TestRemovedFoldersAreMadeAgain(t *testing.T) {
	d, s := newFake(t)
	for i := range 2 {
		if err := s.Create(t.Context(), fmt.Sprint("a/b/created", i), []byte(body)); err != nil {
			t.Errorf("Create: %v", err)
		}
		delete(d.tree.names, "a")
		ref, err := stage(t.Context(), s, fmt.Sprint("a/b/published", i))
		if err == nil {
			err = s.Publish(t.Context(), ref)
		}
		if err != nil {
			t.Errorf("Publish: %v", err)
		}
		delete(d.tree.names, "a")
	}
}

func TestAFullDiskLeavesNothingHalf(t *testing.T) {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		for _, op := range []string{"create", "write", "sync", "mkdir", "link", "sync folder"} {
			d, s := newFake(t)
			d.failOp(op, &fs.PathError{Op: op, Path: "x", Err: full})
			err := s.Create(t.Context(), "a/b", []byte(body))
			if !errors.Is(err, full) || !strings.Contains(err.Error(), "free some space") {
				t.Errorf("Create with %v at %s: got %v, want it and what to do", full, op, err)
			}
			tmp, _ := d.find(tempFolder)
			if len(tmp.names) > 0 {
				t.Errorf("%s: Create left %d files", op, len(tmp.names))
			}
			d.failOp(op, full)
			ref, err := stage(t.Context(), s, "a/c")
			if err == nil {
				err = s.Publish(t.Context(), ref)
			}
			if err != nil && !errors.Is(err, full) {
				t.Errorf("a file with %v at %s: got %v", full, op, err)
			}
			checkClaims(t, d, claims{}, fmt.Sprintf("%v at %s", full, op))
		}
	}
}

// What Publish finds in staging and in place must be what was closed.
func TestPublishLooksAtWhatIsThere(t *testing.T) {
	d, s := newFake(t)
	ref, err := stage(t.Context(), s, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	for st := range s.Staged(t.Context()) {
		n, _ := parseStaged(st.ID)
		i, _ := d.find(n.path())
		i.body = i.body[:3]
	}
	if err := s.Publish(t.Context(), ref); !errors.Is(err, driver.ErrStagingLost) {
		t.Errorf("Publish of a file that lost its end: got %v, want ErrStagingLost", err)
	}
	if _, err := s.Read(t.Context(), "a/b", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}

	up, err := s.Stage(t.Context(), "a/c", "o", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = up.Write([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	up.(*upload).h.(*fakeHandle).i.body = nil
	if _, err := up.Close(t.Context()); err == nil {
		t.Error("Close of a file that somebody emptied: got no error")
	}

	for _, bad := range []string{
		`{"key":"a/b","owner":"../x","id":"1"}`, `{"key":"a/b","owner":"o","id":"../../../x"}`, `{"key":"../a","owner":"o","id":"1"}`,
		`{"key":"a/b","owner":"","id":""}`, `{"key":"_onceflow/.staging/x","owner":"o","id":"1"}`,
	} {
		if err := s.Publish(t.Context(), []byte(bad)); err == nil || errors.Is(err, driver.ErrStagingLost) {
			t.Errorf("Publish of the ref %s: got %v, want another error", bad, err)
		}
	}
	if err := s.Discard(t.Context(), driver.Staging{ID: "../../a,o,b"}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Discard with a path: got %v, want fs.ErrInvalid", err)
	}
}

// An upload learns at Close, before an entry names its file, that somebody discarded it.
func TestCloseNoticesADiscard(t *testing.T) {
	_, s := newFake(t)
	up, err := s.Stage(t.Context(), "a/b", "o", 0)
	if err != nil {
		t.Fatal(err)
	}
	for st := range s.Staged(t.Context()) {
		if err := s.Discard(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := up.Close(t.Context()); !errors.Is(err, errDiscarded) {
		t.Errorf("got %v, want %v", err, errDiscarded)
	}
}

// A listing of the ledger must not read the folders of a million files.
func TestListReadsOnlyFoldersThatMatter(t *testing.T) {
	d, s := newFake(t)
	for _, key := range []string{"a/x/1", "a/y/2", "b/x/3", "b/y/4", "c"} {
		if err := s.Create(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		prefix, after string
		keys, reads   int
	}{
		{"", "", 5, 8}, // the root and _onceflow too
		{"a/", "", 2, 3},
		{"a/x", "", 1, 2},
		{"a/x/1", "", 1, 1},
		{"", "b/x/9", 2, 4},
		{"b/", "b/y/3", 1, 2},
		{"z/", "", 0, 1},
	} {
		d.reads = 0
		n := 0
		for range s.List(t.Context(), c.prefix, c.after) {
			n++
		}
		if n != c.keys || d.reads != c.reads {
			t.Errorf("List(%q, %q): got %d keys from %d folders, want %d from %d", c.prefix, c.after, n, d.reads, c.keys, c.reads)
		}
	}
}

// Staging is no place for objects.
func TestKeysInStagingAreRefused(t *testing.T) {
	_, s := newFake(t)
	for _, key := range []string{stagingFolder, stagingFolder + "/x", tempFolder + "/x"} {
		if err := s.Create(t.Context(), key, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Create(%q): got %v, want fs.ErrInvalid", key, err)
		}
		if _, err := s.Stage(t.Context(), key, "o", 0); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Stage(%q): got %v, want fs.ErrInvalid", key, err)
		}
	}
}

// Thousands of uploads at once, as a flow with many keys has them, do not need a handle each.
func TestManyUploadsKeepFewHandles(t *testing.T) {
	d, s := newFake(t)
	const n = 3 * keptHandles
	ups := make([]driver.Upload, n)
	for i := range ups {
		var err error
		if ups[i], err = s.Stage(t.Context(), fmt.Sprintf("a/%d", i), "o", 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{body[:5], body[5:]} {
		for i := range ups {
			if _, err := ups[i].Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d.open > keptHandles {
		t.Errorf("%d handles are open, want at most %d", d.open, keptHandles)
	}
	for i, up := range ups {
		if i%2 == 0 {
			if err := up.Abort(context.Background()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		ref, err := up.Close(t.Context())
		if err == nil {
			err = s.Publish(t.Context(), ref)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if d.open != 0 || s.staging.handles.used.Len() != 0 {
		t.Errorf("in the end %d handles are open, %d counted", d.open, s.staging.handles.used.Len())
	}
	checkClaims(t, d, claims{}, "after many uploads")
}

// A file system that cannot create exclusively is refused, and told why.
func TestUnfitFileSystemsAreRefused(t *testing.T) {
	for name, d := range map[string]disk{
		"no links":             noLinks{newFakeDisk()},
		"links are copies":     copyLinks{newFakeDisk()},
		"links overwrite":      overLinks{newFakeDisk()},
		"create is not exclus": sharedCreate{newFakeDisk()},
	} {
		s := newStore("fake", d)
		if err := s.staging.prepare(); err == nil || !strings.Contains(err.Error(), "use a local disk or NFS") {
			t.Errorf("%s: got %v, want an error that says what to use", name, err)
		}
	}
}

type noLinks struct{ *fakeDisk }

func (noLinks) Link(string, string) error { return syscall.EPERM }

type copyLinks struct{ *fakeDisk }

func (d copyLinks) Link(from, to string) error {
	i, err := d.find(from)
	if err != nil {
		return err
	}
	return d.put(to, &inode{body: i.body})
}

type overLinks struct{ *fakeDisk }

func (d overLinks) Link(from, to string) error {
	_ = d.Remove(to)
	return d.fakeDisk.Link(from, to)
}

type sharedCreate struct{ *fakeDisk }

func (d sharedCreate) Create(name string) (handle, error) {
	h, err := d.fakeDisk.Create(name)
	if errors.Is(err, fs.ErrExist) {
		return d.Open(name)
	}
	return h, err
}

// Staging names tell owner and key, however long, and cannot be mistaken for another's.
func FuzzStagedName(f *testing.F) {
	f.Add("abc", "owner", "a/b")
	f.Add("abc", "o", strings.Repeat("k", 190)+"/"+strings.Repeat("l", 255)+"/..."+strings.Repeat("m", 200))
	f.Fuzz(func(t *testing.T, id, owner, key string) {
		n := stagedName{id, owner, key}
		if !n.valid() {
			return
		}
		if got, ok := parseStaged(n.String()); !ok || got != n {
			t.Errorf("got %+v, %v, want %+v", got, ok, n)
		}
		p := n.path()
		if !fs.ValidPath(p) || !strings.HasPrefix(p, stagingFolder+"/") {
			t.Errorf("path %q", p)
		}
		for part := range strings.SplitSeq(p, "/") {
			if len(part) > driver.MaxSegment {
				t.Errorf("path %q has a part of %d bytes", p, len(part))
			}
		}
	})
}
