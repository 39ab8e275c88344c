package sinktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// Run tests a Store. Each call of open must return a new handle on the same storage, as two processes have it; if there is
// only one it may return that. The storage need not be empty: Run writes below conformance/ and a random name, and leaves
// what it wrote. It takes some thousand calls.
func Run(t *testing.T, open func(*testing.T) sink.Store) {
	run := strings.ToLower(rand.Text()[:12])
	for _, c := range contracts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			owner := run + strings.ToLower(c.name)
			s := &suite{T: t, a: open(t), b: open(t), owner: owner, dir: "conformance/" + run + "/" + owner + "-"}
			s.traits = storage.TraitsOf(s.a)
			c.test(s)
		})
	}
}

// contracts are the rules of Store, Stager and Upload, each with its test.
var contracts = []struct {
	name string
	test func(*suite)
}{
	{"CreateIsExclusive", createIsExclusive},
	{"CreateIsWholeOrNotAtAll", createIsWholeOrNotAtAll},
	{"CreateKeepsTheFirst", createKeepsTheFirst},
	{"CreateDoesNotRetainBody", createDoesNotRetainBody},
	{"ReadSeesWhatReturned", readSeesWhatReturned},
	{"ReadStopsAtLimit", readStopsAtLimit},
	{"MissingIsErrNotExist", missingIsErrNotExist},
	{"OddKeysAreKept", oddKeysAreKept},
	{"BadKeysAreRefused", badKeysAreRefused},
	{"ListIsInByteOrder", listIsInByteOrder},
	{"ListHasManyPages", listHasManyPages},
	{"NowIsAClock", nowIsAClock},
	{"EndedContextEndsCalls", endedContextEndsCalls},
	{"StagingIsInvisible", stagingIsInvisible},
	{"PublishShowsWhatWasWritten", publishShowsWhatWasWritten},
	{"PublishIsIdempotent", publishIsIdempotent},
	{"PublishByMany", publishByMany},
	{"PublishNeverOverwrites", publishNeverOverwrites},
	{"PublishOfLostStaging", publishOfLostStaging},
	{"StagedListsOpenAndClosed", stagedListsOpenAndClosed},
	{"DiscardSparesThePublished", discardSparesThePublished},
	{"DiscardEndsAnUpload", discardEndsAnUpload},
	{"AbortLeavesNothing", abortLeavesNothing},
	{"UploadsDoNotMix", uploadsDoNotMix},
}

// suite is what one contract's test works with.
type suite struct {
	*testing.T
	a, b       sink.Store // two handles on one storage
	owner, dir string     // nobody else's; every key begins with dir, so its last element begins with owner
	traits     storage.Traits
}

func (s *suite) create(store sink.Store, key string, body []byte) {
	s.Helper()
	if err := store.Create(s.Context(), s.dir+key, body); err != nil {
		s.Fatalf("Create(%q): %v", key, err)
	}
}

// want checks what Read, Open and List say of an object, by both handles.
func (s *suite) want(key string, body []byte) {
	s.Helper()
	for _, store := range []sink.Store{s.a, s.b} {
		got, err := store.Read(s.Context(), s.dir+key, int64(len(body)))
		if err != nil || !bytes.Equal(got, body) {
			s.Errorf("Read(%q): got %.40q (%d bytes), %v, want %.40q (%d bytes)", key, got, len(got), err, body, len(body))
		}
		got, err = readAll(s.Context(), store, s.dir+key)
		if err != nil || !bytes.Equal(got, body) {
			s.Errorf("Open(%q): got %.40q (%d bytes), %v, want %.40q (%d bytes)", key, got, len(got), err, body, len(body))
		}
		list := s.list(store, s.dir+key, "")
		if i := slices.IndexFunc(list, func(o storage.Object) bool { return o.Key == s.dir+key }); i < 0 || list[i].Size != int64(len(body)) {
			s.Errorf("List(%q): got %v, want it with %d bytes", key, list, len(body))
		}
	}
}

// wantNone checks that there is no object, by both handles.
func (s *suite) wantNone(key string) {
	s.Helper()
	for _, store := range []sink.Store{s.a, s.b} {
		if _, err := store.Read(s.Context(), s.dir+key, 1<<30); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("Read(%q): got %v, want fs.ErrNotExist", key, err)
		}
		if r, err := store.Open(s.Context(), s.dir+key); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("Open(%q): got %v, want fs.ErrNotExist", key, err)
			if err == nil {
				_ = r.Close()
			}
		}
		for _, o := range s.list(store, s.dir, "") {
			if o.Key == s.dir+key {
				s.Errorf("List has %q, want no such object", key)
			}
		}
	}
}

func readAll(ctx context.Context, store sink.Store, key string) ([]byte, error) {
	r, err := store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func (s *suite) list(store sink.Store, prefix, after string) []storage.Object {
	s.Helper()
	var list []storage.Object
	for o, err := range store.List(s.Context(), prefix, after) {
		if err != nil {
			s.Fatalf("List(%q, %q): %v", prefix, after, err)
		}
		list = append(list, o)
	}
	return list
}

// stage stages body and returns the open upload.
func (s *suite) stage(store sink.Store, key string, body []byte) storage.Upload {
	s.Helper()
	up, err := store.Stage(s.Context(), s.dir+key, s.owner, 0)
	if err != nil {
		s.Fatalf("Stage(%q): %v", key, err)
	}
	if len(body) > 0 {
		if n, err := up.Write(body); n != len(body) || err != nil {
			s.Fatalf("Write(%q): got %d, %v, want %d", key, n, err, len(body))
		}
	}
	return up
}

// staged stages body and closes it.
func (s *suite) staged(store sink.Store, key string, body []byte) (ref []byte) {
	s.Helper()
	return s.close(s.stage(store, key, body))
}

func (s *suite) close(up storage.Upload) (ref []byte) {
	s.Helper()
	ref, err := up.Close(s.Context())
	if err != nil {
		s.Fatalf("Close: %v", err)
	}
	if len(ref) > 8<<10 {
		s.Errorf("Close: a ref of %d bytes, at most 8 KiB are allowed", len(ref))
	}
	return ref
}

func (s *suite) publish(store sink.Store, ref []byte) {
	s.Helper()
	if err := store.Publish(s.Context(), ref); err != nil {
		s.Fatalf("Publish: %v", err)
	}
}

// staging lists this test's own staging.
func (s *suite) staging(store sink.Store) []storage.Staging {
	s.Helper()
	var list []storage.Staging
	for st, err := range store.Staged(s.Context()) {
		if err != nil {
			s.Fatalf("Staged: %v", err)
		}
		if st.Owner == s.owner {
			list = append(list, st)
		}
	}
	return list
}

// wantStaging checks the keys in staging, by both handles, in any order. open is the key of an upload that is not closed
// yet, which some stores do not show.
func (s *suite) wantStaging(keys ...string) {
	s.Helper()
	keys = slices.DeleteFunc(keys, func(key string) bool { return s.traits.HidesAll || s.traits.HidesOpen && key == "open" })
	for _, store := range []sink.Store{s.a, s.b} {
		got := []string{}
		for _, st := range s.staging(store) {
			got = append(got, strings.TrimPrefix(st.Key, s.dir))
		}
		slices.Sort(got)
		if !slices.Equal(got, keys) {
			s.Errorf("Staged: got %q, want %q", got, keys)
		}
	}
}
