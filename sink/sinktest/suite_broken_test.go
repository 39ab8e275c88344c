package sinktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// broken are stores that break one contract each, and the test that must find it.
var broken = map[string]struct {
	contract string
	store    func(*sinktest.Memory) sink.Store
}{
	"create overwrites":         {"CreateKeepsTheFirst", func(m *sinktest.Memory) sink.Store { return createOverwrites{m} }},
	"create looks, then writes": {"CreateIsExclusive", func(m *sinktest.Memory) sink.Store { return &createRaces{Memory: m} }},
	"create grows":              {"CreateIsWholeOrNotAtAll", func(m *sinktest.Memory) sink.Store { return &createGrows{Memory: m, seen: make(chan struct{}, 1)} }},
	"create takes the same":     {"CreateKeepsTheFirst", func(m *sinktest.Memory) sink.Store { return createTakesTheSame{m} }},
	"create takes any key":      {"BadKeysAreRefused", func(m *sinktest.Memory) sink.Store { return createTakesAnyKey{m} }},
	"create ignores case":       {"OddKeysAreKept", func(m *sinktest.Memory) sink.Store { return createIgnoresCase{m} }},
	"create ignores ctx":        {"EndedContextEndsCalls", func(m *sinktest.Memory) sink.Store { return createIgnoresContext{m} }},
	"read shares its memory":    {"CreateDoesNotRetainBody", func(m *sinktest.Memory) sink.Store { return &readShares{Memory: m} }},
	"read has no limit":         {"ReadStopsAtLimit", func(m *sinktest.Memory) sink.Store { return readHasNoLimit{m} }},
	"read of nothing is empty":  {"MissingIsErrNotExist", func(m *sinktest.Memory) sink.Store { return readOfNothing{m} }},
	"open fails otherwise":      {"MissingIsErrNotExist", func(m *sinktest.Memory) sink.Store { return openFailsOtherwise{m} }},
	"list by folders":           {"ListIsInByteOrder", func(m *sinktest.Memory) sink.Store { return listByFolders{m} }},
	"list one page":             {"ListHasManyPages", func(m *sinktest.Memory) sink.Store { return listOnePage{m} }},
	"list from after on":        {"ListIsInByteOrder", func(m *sinktest.Memory) sink.Store { return listFromAfter{m} }},
	"list shows staging":        {"StagingIsInvisible", func(m *sinktest.Memory) sink.Store { return listShowsStaging{m} }},
	"list is behind":            {"ReadSeesWhatReturned", func(m *sinktest.Memory) sink.Store { return listIsBehind{m} }},
	"now is local":              {"NowIsAClock", func(m *sinktest.Memory) sink.Store { return nowIsLocal{m} }},
	"publish once":              {"PublishIsIdempotent", func(m *sinktest.Memory) sink.Store { return &publishOnce{Memory: m} }},
	"publish once, by many":     {"PublishByMany", func(m *sinktest.Memory) sink.Store { return &publishOnce{Memory: m} }},
	"publish believes":          {"PublishOfLostStaging", func(m *sinktest.Memory) sink.Store { return publishBelieves{m} }},
	"publish overwrites":        {"PublishNeverOverwrites", func(m *sinktest.Memory) sink.Store { return publishOverwrites{m} }},
	"publish compares sizes":    {"PublishNeverOverwrites", func(m *sinktest.Memory) sink.Store { return publishComparesSizes{m} }},
	"discard of the published":  {"DiscardSparesThePublished", func(m *sinktest.Memory) sink.Store { return discardOfPublished{m} }},
	"discard does nothing":      {"DiscardEndsAnUpload", func(m *sinktest.Memory) sink.Store { return discardNothing{m} }},
	"staged forgets owners":     {"StagedListsOpenAndClosed", func(m *sinktest.Memory) sink.Store { return stagedForgetsOwners{m} }},
	"staged has one file":       {"StagedListsOpenAndClosed", func(m *sinktest.Memory) sink.Store { return stagedHasOne{m} }},
	"write retains":             {"PublishShowsWhatWasWritten", func(m *sinktest.Memory) sink.Store { return writeRetains{m} }},
	"write shares a buffer":     {"UploadsDoNotMix", func(m *sinktest.Memory) sink.Store { return &writeShares{Memory: m} }},
	"abort does nothing":        {"AbortLeavesNothing", func(m *sinktest.Memory) sink.Store { return abortNothing{m} }},
}

// Each broken store is found out, by the test of the contract that it breaks. The suite runs in a process of its own,
// because there it must fail.
func TestSuiteFindsBrokenStores(t *testing.T) {
	if name := os.Getenv("SINKTEST_BROKEN"); name != "" {
		store := broken[name].store(sinktest.NewMemory())
		sinktest.Run(t, func(*testing.T) sink.Store { return store })
		return
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteFindsBrokenStores$/^"+b.contract+"$")
			cmd.Env = append(os.Environ(), "SINKTEST_BROKEN="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if want := "--- FAIL: TestSuiteFindsBrokenStores/" + b.contract; !errors.As(err, &exit) || !bytes.Contains(out, []byte(want)) ||
				bytes.Contains(out, []byte("panic:")) {
				t.Errorf("got %v, want a failure of %s, of:\n%s", err, b.contract, out)
			}
		})
	}
}

type createOverwrites struct{ *sinktest.Memory }

func (s createOverwrites) Create(_ context.Context, key string, body []byte) error {
	s.Overwrite(key, body)
	return nil
}

type createRaces struct {
	*sinktest.Memory
	mu      sync.Mutex
	waiting map[string]chan struct{}
}

func (s *createRaces) Create(ctx context.Context, key string, body []byte) error {
	_, err := s.Read(ctx, key, 1<<30)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(key, "createisexclusive-") {
		return s.Memory.Create(ctx, key, body)
	}
	s.mu.Lock()
	second, ok := s.waiting[key]
	if !ok {
		second = make(chan struct{})
		if s.waiting == nil {
			s.waiting = map[string]chan struct{}{}
		}
		s.waiting[key] = second
		s.mu.Unlock()
		<-second // between looking and writing
	} else {
		select {
		case <-second: // a third
		default:
			close(second)
		}
		s.mu.Unlock()
	}
	s.Overwrite(key, body)
	return nil
}

// createGrows shows half of its first object until somebody has seen it: on one core a reader once never came in between.
type createGrows struct {
	*sinktest.Memory
	grown atomic.Bool
	seen  chan struct{}
}

func (s *createGrows) Create(ctx context.Context, key string, body []byte) error {
	if s.grown.Swap(true) {
		return s.Memory.Create(ctx, key, body)
	}
	if err := s.Memory.Create(ctx, key, body[:len(body)/2]); err != nil {
		return err
	}
	<-s.seen
	s.Overwrite(key, body)
	return nil
}

func (s *createGrows) see() {
	select {
	case s.seen <- struct{}{}:
	default:
	}
}

func (s *createGrows) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	body, err := s.Memory.Read(ctx, key, limit)
	if err == nil {
		s.see()
	}
	return body, err
}

func (s *createGrows) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		if len(all) > 0 {
			s.see()
		}
		return all
	})
}

type createTakesTheSame struct{ *sinktest.Memory }

func (s createTakesTheSame) Create(ctx context.Context, key string, body []byte) error {
	err := s.Memory.Create(ctx, key, body)
	if old, _ := s.Read(ctx, key, 1<<30); errors.Is(err, fs.ErrExist) && bytes.Equal(old, body) {
		return nil
	}
	return err
}

type createTakesAnyKey struct{ *sinktest.Memory }

func (s createTakesAnyKey) Create(ctx context.Context, key string, body []byte) error {
	if storage.CheckKey(key) != nil {
		s.Overwrite(key, body)
		return nil //nolint:nilerr // that is what is wrong with it
	}
	return s.Memory.Create(ctx, key, body)
}

type createIgnoresCase struct{ *sinktest.Memory }

func (s createIgnoresCase) Create(ctx context.Context, key string, body []byte) error {
	return s.Memory.Create(ctx, strings.ToLower(key), body)
}

type createIgnoresContext struct{ *sinktest.Memory }

func (s createIgnoresContext) Create(ctx context.Context, key string, body []byte) error {
	return s.Memory.Create(context.WithoutCancel(ctx), key, body)
}

type readShares struct {
	*sinktest.Memory
	bodies sync.Map
}

func (s *readShares) Create(ctx context.Context, key string, body []byte) error {
	err := s.Memory.Create(ctx, key, body)
	if err == nil {
		s.bodies.Store(key, bytes.Clone(body))
	}
	return err
}

func (s *readShares) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	if body, ok := s.bodies.Load(key); ok {
		return body.([]byte), nil
	}
	return s.Memory.Read(ctx, key, limit)
}

type readHasNoLimit struct{ *sinktest.Memory }

func (s readHasNoLimit) Read(ctx context.Context, key string, _ int64) ([]byte, error) {
	return s.Memory.Read(ctx, key, 1<<40)
}

type readOfNothing struct{ *sinktest.Memory }

func (s readOfNothing) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := s.Memory.Read(ctx, key, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

type openFailsOtherwise struct{ *sinktest.Memory }

func (s openFailsOtherwise) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.Memory.Open(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("not a directory")
	}
	return r, err
}

// listed changes listings.
func listed(seq iter.Seq2[storage.Object, error], change func([]storage.Object) []storage.Object) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		var all []storage.Object
		for o, err := range seq {
			if err != nil {
				yield(o, err)
				return
			}
			all = append(all, o)
		}
		for _, o := range change(all) {
			if !yield(o, nil) {
				return
			}
		}
	}
}

type listByFolders struct{ *sinktest.Memory }

func (s listByFolders) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		slices.SortFunc(all, func(a, b storage.Object) int {
			return slices.Compare(strings.Split(a.Key, "/"), strings.Split(b.Key, "/"))
		})
		return all
	})
}

type listOnePage struct{ *sinktest.Memory }

func (s listOnePage) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object { return all[:min(len(all), 1000)] })
}

type listFromAfter struct{ *sinktest.Memory }

func (s listFromAfter) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, ""), func(all []storage.Object) []storage.Object {
		return slices.DeleteFunc(all, func(o storage.Object) bool { return o.Key < after })
	})
}

type listShowsStaging struct{ *sinktest.Memory }

func (s listShowsStaging) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		for st := range s.Staged(ctx) {
			if strings.HasPrefix(st.Key, prefix) {
				all = append(all, storage.Object{Key: st.Key, Size: st.Bytes})
			}
		}
		return all
	})
}

type listIsBehind struct{ *sinktest.Memory }

func (s listIsBehind) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object { return all[:max(len(all)-1, 0)] })
}

type nowIsLocal struct{ *sinktest.Memory }

func (s nowIsLocal) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Memory.Now(ctx)
	return now.In(time.FixedZone("", 3600)), err
}

type publishOnce struct {
	*sinktest.Memory
	mu   sync.Mutex
	done map[string]bool
}

func (s *publishOnce) Publish(ctx context.Context, ref []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done[string(ref)] {
		return storage.ErrStagingLost
	}
	err := s.Memory.Publish(ctx, ref)
	if s.done == nil {
		s.done = map[string]bool{}
	}
	s.done[string(ref)] = err == nil
	return err
}

type publishBelieves struct{ *sinktest.Memory }

func (s publishBelieves) Publish(ctx context.Context, ref []byte) error {
	if err := s.Memory.Publish(ctx, ref); !errors.Is(err, storage.ErrStagingLost) {
		return err
	}
	return nil
}

// parts takes a ref of Memory apart.
func parts(ref []byte) (key string, size int) {
	var r struct {
		Key  string `json:"key"`
		Size int    `json:"size"`
	}
	_ = json.Unmarshal(ref, &r)
	return r.Key, r.Size
}

type publishOverwrites struct{ *sinktest.Memory }

func (s publishOverwrites) Publish(ctx context.Context, ref []byte) error {
	err := s.Memory.Publish(ctx, ref)
	if key, _ := parts(ref); errors.Is(err, storage.ErrStagingLost) {
		s.Delete(key)
		return s.Memory.Publish(ctx, ref)
	}
	return err
}

type publishComparesSizes struct{ *sinktest.Memory }

func (s publishComparesSizes) Publish(ctx context.Context, ref []byte) error {
	err := s.Memory.Publish(ctx, ref)
	key, size := parts(ref)
	if b, readErr := s.Read(ctx, key, 1<<30); errors.Is(err, storage.ErrStagingLost) && readErr == nil && len(b) == size {
		return nil
	}
	return err
}

type discardOfPublished struct{ *sinktest.Memory }

func (s discardOfPublished) Discard(ctx context.Context, st storage.Staging) error {
	s.Delete(st.Key)
	return s.Memory.Discard(ctx, st)
}

type discardNothing struct{ *sinktest.Memory }

func (s discardNothing) Discard(ctx context.Context, _ storage.Staging) error { return ctx.Err() }

type stagedForgetsOwners struct{ *sinktest.Memory }

func (s stagedForgetsOwners) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		for st, err := range s.Memory.Staged(ctx) {
			st.Owner = "somebody"
			if !yield(st, err) {
				return
			}
		}
	}
}

type stagedHasOne struct{ *sinktest.Memory }

func (s stagedHasOne) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		for st, err := range s.Memory.Staged(ctx) {
			yield(st, err)
			return
		}
	}
}

type writeRetains struct{ *sinktest.Memory }

func (s writeRetains) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	if err != nil {
		return nil, err
	}
	return &retainingUpload{Upload: up}, nil
}

type retainingUpload struct {
	storage.Upload
	parts [][]byte
}

func (u *retainingUpload) Write(p []byte) (int, error) {
	u.parts = append(u.parts, p)
	return len(p), nil
}

func (u *retainingUpload) Close(ctx context.Context) ([]byte, error) {
	for _, p := range u.parts {
		if _, err := u.Upload.Write(p); err != nil {
			return nil, err
		}
	}
	return u.Upload.Close(ctx)
}

type writeShares struct {
	*sinktest.Memory
	mu  sync.Mutex
	buf []byte
}

func (s *writeShares) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return &sharingUpload{Upload: up, s: s}, err
}

type sharingUpload struct {
	storage.Upload
	s *writeShares
}

// Write keeps what it is given, of whatever upload, until it has a block.
func (u *sharingUpload) Write(p []byte) (int, error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.buf = append(u.s.buf, p...)
	if len(u.s.buf) > 512 {
		if _, err := u.Upload.Write(u.s.buf); err != nil {
			return 0, err
		}
		u.s.buf = u.s.buf[:0]
	}
	return len(p), nil
}

type abortNothing struct{ *sinktest.Memory }

func (s abortNothing) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return noAbort{up}, err
}

type noAbort struct{ storage.Upload }

func (noAbort) Abort(context.Context) error { return nil }
