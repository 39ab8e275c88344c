package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// Run tests a Store: that it keeps the contract of driver.Store, driver.Stager and driver.Upload. Each rule is a subtest,
// whose comment says what is asked. A failure names the call, and no call is waited for longer than Config.Patience.
//
// Run writes below conformance/ and a random name, and leaves what it wrote. It takes some thousand calls. If there is a
// Config.Setup it starts the test binary again, for processes that open the same storage. There the test function runs too,
// up to Run, which does not return before its end; so what must happen once belongs into Setup. Rules that need what the Config
// does not have are named on the standard error (go test shows it in the package's folder, or with -v).
//
// Run does not see memory that is not Go's, and it cannot tell whose clock Now is if a process in the year 2000 cannot ask.
func Run(t *testing.T, c Config) {
	if c.serve(t) {
		return
	}
	b := newBench(t, c)
	without := map[string][]string{} // what is missing, and what could not be tried
	for _, rule := range contracts {
		if what := b.lacks(rule.when); what != "" {
			without[what] = append(without[what], rule.name)
			continue
		}
		t.Run(rule.name, func(t *testing.T) {
			if rule.when != alone && rule.when != withBytes {
				t.Parallel()
			}
			rule.test(b.suite(t, rule.name))
		})
	}
	for _, what := range slices.Sorted(maps.Keys(without)) { // not by t.Log, which only -v shows
		fmt.Fprintf(os.Stderr, "%s: without %s, sinktest.Run has not tried %s\n", t.Name(), what, strings.Join(without[what], ", "))
	}
}

// when says in which circumstances a contract's test runs.
type when uint8

const (
	anywhere    when = iota
	onServer         // only if there is a server that speaks HTTP
	withProcess      // only if there can be a second process
	withPut          // only if there is a Config.Put
	withCut          // only if there is a Config.Cut, or a server
	withBytes        // only if there is a Config.Bytes, and while no other test writes
	alone            // while no other test writes
)

// lacks says what there must be for a contract's test to run; nothing if it can.
func (b *bench) lacks(w when) string {
	switch {
	case w == onServer && b.place.Server == "":
		return "Place.Server"
	case w == withProcess && b.second == nil:
		return "Config.Setup"
	case w == withPut && b.Put == nil:
		return "Config.Put"
	case w == withCut && b.Cut == nil && b.place.Server == "":
		return "Config.Cut"
	case w == withBytes && b.Bytes == nil:
		return "Config.Bytes"
	}
	return ""
}

// contracts are the rules of Store, Stager and Upload, each with its test. The first sees all that is in the storage.
var contracts = []struct {
	name string
	test func(*suite)
	when when
}{
	{"ListShowsNoStaging", listShowsNoStaging, alone},
	{"DiscardLeavesNothing", discardLeavesNothing, withBytes},
	{"CreateIsExclusive", createIsExclusive, anywhere},
	{"CreateIsWholeOrNotAtAll", createIsWholeOrNotAtAll, anywhere},
	{"CreateKeepsTheFirst", createKeepsTheFirst, anywhere},
	{"CreateDoesNotRetainBody", createDoesNotRetainBody, anywhere},
	{"ReadSeesWhatReturned", readSeesWhatReturned, anywhere},
	{"ReadStopsAtLimit", readStopsAtLimit, anywhere},
	{"MissingIsErrNotExist", missingIsErrNotExist, anywhere},
	{"ReadRangeReadsAPart", readRangeReadsAPart, anywhere},
	{"DeleteDeletes", deleteDeletes, anywhere},
	{"OddKeysAreKept", oddKeysAreKept, anywhere},
	{"BadKeysAreRefused", badKeysAreRefused, anywhere},
	{"ListIsInByteOrder", listIsInByteOrder, anywhere},
	{"ListHasManyPages", listHasManyPages, anywhere},
	{"ForeignNamesDisturbNothing", foreignNamesDisturbNothing, withPut},
	{"OpenReadsAStream", openReadsAStream, withProcess},
	{"StreamsEndAtClose", streamsEndAtClose, anywhere},
	{"CutStreamsAreErrors", cutStreamsAreErrors, withCut},
	{"NowIsAClock", nowIsAClock, anywhere},
	{"NowIsTheServersClock", nowIsTheServersClock, onServer},
	{"NowIsTheStoragesClock", nowIsTheStoragesClock, withProcess},
	{"EndedContextEndsCalls", endedContextEndsCalls, anywhere},
	{"StagingIsInvisible", stagingIsInvisible, anywhere},
	{"StagingOutlivesItsProcess", stagingOutlivesItsProcess, withProcess},
	{"PublishShowsWhatWasWritten", publishShowsWhatWasWritten, anywhere},
	{"PublishIsIdempotent", publishIsIdempotent, anywhere},
	{"PublishByMany", publishByMany, anywhere},
	{"PublishNeverOverwrites", publishNeverOverwrites, anywhere},
	{"PublishRacesCreate", publishRacesCreate, anywhere},
	{"PublishOfLostStaging", publishOfLostStaging, anywhere},
	{"StagedListsOpenAndClosed", stagedListsOpenAndClosed, anywhere},
	{"StagedHasManyPages", stagedHasManyPages, anywhere},
	{"StagedTellsTheLength", stagedTellsTheLength, anywhere},
	{"GatheredIsWhatIsInMemory", gatheredIsWhatIsInMemory, withProcess},
	{"DiscardSparesThePublished", discardSparesThePublished, anywhere},
	{"DiscardEndsAnUpload", discardEndsAnUpload, anywhere},
	{"DiscardShowsNothing", discardShowsNothing, anywhere},
	{"AbortLeavesNothing", abortLeavesNothing, anywhere},
	{"AbortSparesThePublished", abortSparesThePublished, anywhere},
	{"UploadsEndOnce", uploadsEndOnce, anywhere},
	{"UploadsDoNotMix", uploadsDoNotMix, anywhere},
	{"UploadsOfOneKeyAreTwo", uploadsOfOneKeyAreTwo, anywhere},
	{"MissingStorageIsNoEmptyOne", missingStorageIsNoEmptyOne, withProcess},
	{"AnswersAreNotGuessed", answersAreNotGuessed, onServer},
	{"LostRepliesAreSettled", lostRepliesAreSettled, onServer},
	{"RetriesKeepTheCondition", retriesKeepTheCondition, onServer},
	{"NothingHalfIsSeen", nothingHalfIsSeen, onServer},
	{"FlippedBitsAreNoticed", flippedBitsAreNoticed, onServer},
	{"SilenceEnds", silenceEnds, onServer},
	{"EndedContextEndsRequests", endedContextEndsRequests, onServer},
}

// suite is what one contract's test works with.
type suite struct {
	*testing.T
	bench      *bench
	a, b       sink.Store // two handles on one storage; b is in another process if one can be started
	owner, dir string     // nobody else's; every key begins with dir, so its last element begins with owner
	traits     storage.Traits
	said       *said
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
		s.wantBody("Read", key, got, err, body)
		got, err = readAll(s.Context(), store, s.dir+key)
		s.wantBody("Open", key, got, err, body)
		list := s.list(store, s.dir+key, "")
		if i := slices.IndexFunc(list, func(o storage.Object) bool { return o.Key == s.dir+key }); i < 0 || list[i].Size != int64(len(body)) {
			s.Errorf("List(%q): got %v, want it with %d bytes", key, list, len(body))
		}
	}
}

func (s *suite) wantBody(op, key string, got []byte, err error, body []byte) {
	s.Helper()
	if err != nil {
		s.Errorf("%s(%q): %v", op, key, err)
	} else if !bytes.Equal(got, body) {
		s.Errorf("%s(%q): %s", op, key, unlike(got, body))
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
			s.Errorf("Staged: %s", diff(got, keys))
		}
	}
}
