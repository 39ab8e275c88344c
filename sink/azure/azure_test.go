package azure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

var shared servertest.Shared

// TestMain is also the main of the processes that are killed.
func TestMain(m *testing.M) {
	if at := os.Getenv("AZURE_TEST_CONTAINER"); at != "" {
		if err := writeRows(at, os.Getenv("AZURE_TEST_IN")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	shared.Main(m)
}

func stage(t *testing.T, s driver.Store, key string, body []byte) []byte {
	t.Helper()
	u, err := s.Stage(t.Context(), key, "own", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(body); err != nil {
		t.Fatal(err)
	}
	ref, err := u.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func wantBody(t *testing.T, s *Store, key string, body []byte) {
	t.Helper()
	if got, err := s.Read(t.Context(), key, 1<<30); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%s: read %d bytes, %v, want the %d that were written", key, len(got), err, len(body))
	}
}

func wantNoStaging(t *testing.T, s *Store) {
	t.Helper()
	for st, err := range s.Staged(t.Context()) {
		t.Errorf("still staged: %v, %v", st, err)
	}
}

func TestAFileCostsThreeRequests(t *testing.T) {
	s, f := inContainer(t, Options{BlockBytes: 1 << 20}, nil)
	for size, want := range map[int][]string{
		100_000:     {"PutBlob", "Copy", "Delete"},
		1 << 20:     {"PutBlob", "Copy", "Delete"},
		1<<20 + 1:   {"PutBlock", "PutBlock", "PutBlockList", "Copy", "Delete"},
		3<<20 + 100: {"PutBlock", "PutBlock", "PutBlock", "PutBlock", "PutBlockList", "Copy", "Delete"},
	} {
		f.reset(nil)
		if err := s.Publish(t.Context(), stage(t, s, fmt.Sprint("views/own-", size), make([]byte, size))); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.all(), want) {
			t.Errorf("a file of %d bytes took %v, want %v", size, f.all(), want)
		}
	}
}

// lost are the ways in which the answer to a request is not what it should be.
var lost = map[string]sinktest.Fault{
	"never answered": {Kind: sinktest.Silence, Late: true}, "not read": {Kind: sinktest.Silence}, "connection cut": cut,
	"503 before": answer(503, "ServerBusy"), "503 after": lateAnswer(503, "ServerBusy"),
	"500 after": lateAnswer(500, "OperationTimedOut"), "429": answer(429, "TooManyRequests"),
}

// Whichever request of a file's life goes wrong, the next attempt settles it, and knows its own objects.
func TestEachRequestIsTriedAgain(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	for _, op := range []string{"PutBlob", "PutBlock", "PutBlockList", "Copy", "Delete", "Get", "List"} {
		for how, ft := range lost {
			t.Run(op+" "+how, func(t *testing.T) {
				t.Parallel()
				o := Options{Timeout: 700 * time.Millisecond}
				if strings.HasPrefix(op, "PutBlock") {
					o.BlockBytes = 100_000
				}
				s, f := inContainer(t, o, first(op, ft))
				if op != "PutBlob" || !ft.Late || ft.Kind != sinktest.Answer { // else the first is the control object's below
					ref := stage(t, s, "own-1-1", body)
					for range 2 {
						if err := s.Publish(t.Context(), ref); err != nil {
							t.Errorf("publish: %v, want success", err)
						}
					}
					wantBody(t, s, "own-1-1", body)
				}
				if err := s.Create(t.Context(), "b", body); err != nil {
					t.Errorf("create: %v, want success", err)
				}
				if err := s.Create(t.Context(), "b", []byte("other")); !errors.Is(err, fs.ErrExist) {
					t.Errorf("second create with other bytes: %v, want fs.ErrExist", err)
				}
				wantBody(t, s, "b", body)
				wantNoStaging(t, s)
				if n := f.calls(op); n < 2 {
					t.Errorf("%d requests %s: none was tried again", n, op)
				}
			})
		}
	}
}

// Azure answers a bit that turned over with Md5Mismatch, Azurite with a word of its own.
func TestABitThatTurnsOverOnTheWayIsNoticed(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	for _, op := range []string{"PutBlob", "PutBlock"} {
		s, f := inContainer(t, Options{BlockBytes: map[string]int{"PutBlob": 0, "PutBlock": 100_000}[op]}, first(op, sinktest.Fault{Kind: sinktest.Flip}))
		if err := s.Publish(t.Context(), stage(t, s, "own-1-1", body)); err != nil {
			t.Error(err)
		}
		wantBody(t, s, "own-1-1", body)
		if f.calls(op) < 2 {
			t.Errorf("%s was not sent again: %v", op, f.all())
		}
	}
}

// Whatever the copy is answered, the object under the final name tells what became of it.
func TestPublishLooksAtTheObjectWhenTheAnswerIsUnclear(t *testing.T) {
	for name, ft := range map[string]sinktest.Fault{
		"404 after": lateAnswer(404, "CannotVerifyCopySource"), "409 after": lateAnswer(409, "BlobAlreadyExists"),
		"412 after": lateAnswer(412, "ConditionNotMet"),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := inContainer(t, Options{}, first("Copy", ft))
			if err := s.Publish(t.Context(), stage(t, s, "own-1-1", []byte("rows"))); err != nil {
				t.Errorf("publish: %v, want success", err)
			}
			wantBody(t, s, "own-1-1", []byte("rows"))
			wantNoStaging(t, s)
		})
	}
}

// A file of more than 256 MiB is copied in pieces. Here it is a shorter one that says so. A copy that is broken off goes on where it
// was: once each attempt began anew, and a long file ran out of them.
func TestALongFileIsCopiedInPieces(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	s, f := inContainer(t, Options{}, nil)
	s.box.mostCopied, s.box.piece = 50_000, 50_000
	for name, spoil := range map[string]func(int, string) sinktest.Fault{
		"no fault": nil, "list cut": first("PutBlockList", cut), "look cut": first("GetBlockList", cut), "list busy": first("PutBlockList", answer(503, "ServerBusy")),
		"third piece busy": func(n int, op string) sinktest.Fault {
			if op == "PutBlockFromURL" && n == 2 {
				return answer(503, "ServerBusy")
			}
			return sinktest.Fault{}
		},
	} {
		key := "own-" + strings.ReplaceAll(name, " ", "-")
		ref := stage(t, s, key, body)
		f.reset(spoil)
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Errorf("%s: publish: %v, want success", name, err)
		}
		pieces := f.calls("PutBlockFromURL")
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Errorf("%s: publish again: %v, want success", name, err)
		}
		wantBody(t, s, key, body)
		if want := map[string]int{"third piece busy": 5}[name]; pieces != max(4, want) || f.calls("Copy") > 0 {
			t.Errorf("%s: %d of %v, want four pieces, and one again if it was busy", name, pieces, f.all())
		}
	}
	wantNoStaging(t, s)
}

// An upload that is given up leaves neither a blob nor blocks, however far it came.
func TestAnAbortedUploadLeavesNothing(t *testing.T) {
	s, f := inContainer(t, Options{BlockBytes: 1000}, nil)
	for size, want := range map[int][]string{0: nil, 1000: nil, 5000: {"PutBlock", "PutBlock", "PutBlock", "PutBlock", "PutBlob", "Delete"}} {
		f.reset(nil)
		u, err := s.Stage(t.Context(), "own-1-1", "own", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := u.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(f.all(), want) {
			t.Errorf("%d bytes took %v, want %v", size, f.all(), want)
		}
		if blobs := uncommitted(t, s); len(blobs) > 0 {
			t.Errorf("%d bytes leave %q", size, blobs)
		}
	}
}

func TestPublishAfterDiscardSaysThatTheFileIsLost(t *testing.T) {
	s, _ := inContainer(t, Options{}, nil)
	ref := stage(t, s, "own-1-1", []byte("rows"))
	for st, err := range s.Staged(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Discard(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Publish(t.Context(), ref); !errors.Is(err, driver.ErrStagingLost) || !strings.Contains(err.Error(), "own-1-1") {
		t.Errorf("publish: %v, want ErrStagingLost and the key", err)
	}
}

// A refusal is final: one request, an error with the service's words first and then what they may mean.
func TestARefusalIsNotTriedAgain(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		hint   string
	}{
		"AuthorizationPermissionMismatch": {403, "the package comment"},
		"AuthorizationFailure":            {403, "network rules"},
		"AuthenticationFailed":            {403, "clock"},
		"ContainerNotFound":               {404, "may not exist"},
		"ContainerBeingDeleted":           {409, "about to be deleted"},
		"BlobImmutableDueToPolicy":        {409, "immutability policy"},
		"LeaseIdMissing":                  {412, "lease"},
		"SomethingNew":                    {403, ""},
	} {
		t.Run(code, func(t *testing.T) {
			s, f := inContainer(t, Options{}, func(int, string) sinktest.Fault { return answer(want.status, code) })
			u, err := s.Stage(t.Context(), "own-1-1", "own", 0)
			if err != nil {
				t.Fatal(err)
			}
			_, closed := u.Close(t.Context())
			_, read := s.Read(t.Context(), "a", 1)
			for op, err := range map[string]error{"PutBlob": closed, "Get": read, "Delete": s.Discard(t.Context(), driver.Staging{ID: "own-x"})} {
				if !errors.Is(err, driver.ErrPermanent) || !strings.Contains(err.Error(), fmt.Sprint(want.status, " ", code, ": words of the service")) ||
					!strings.Contains(err.Error(), want.hint) || errors.Is(err, fs.ErrNotExist) || f.calls(op) != 1 {
					t.Errorf("%s: %v after %d requests, want ErrPermanent after one, %q", op, err, f.calls(op), want.hint)
				}
			}
		})
	}
}

// An account whose listings have another order is refused, by name or by what it does.
func TestAnAccountWithAHierarchicalNamespaceIsRefused(t *testing.T) {
	names := []string{"a/b", "a-b"}
	account := true
	service := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-is-hns-enabled", fmt.Sprint(account))
		switch opOf(r) {
		case "Look":
			w.Header().Set("x-ms-error-code", "BlobNotFound")
			w.WriteHeader(http.StatusNotFound)
		case "List":
			fmt.Fprint(w, "<EnumerationResults><Blobs>")
			for _, n := range names {
				fmt.Fprintf(w, "<Blob><Name>%s</Name></Blob>", n)
			}
			fmt.Fprint(w, "</Blobs><NextMarker/></EnumerationResults>")
		}
	})
	_, err := Open(t.Context(), service+"/c?sig=x", nil)
	if !errors.Is(err, driver.ErrPermanent) || !strings.Contains(err.Error(), "hierarchical") {
		t.Errorf("open: %v, want that it is refused", err)
	}
	account = false
	s := open(t, service+"/c?sig=x", &Options{})
	for _, e := range s.List(t.Context(), "", "") {
		err = e
	}
	if !errors.Is(err, driver.ErrPermanent) || !strings.Contains(err.Error(), `"a-b" after "a/b"`) {
		t.Errorf("list: %v, want that the order is refused", err)
	}
}

func TestOptionsNameAllFaultsAtOnce(t *testing.T) {
	_, err := Open(t.Context(), "https://a/c", &Options{BlockBytes: -1, Attempts: -1, Timeout: -1, Prefix: "x"})
	for _, want := range []string{"BlockBytes", "Attempts", "Timeout", "does not end with a slash"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
	for _, at := range []string{"", "c", "https://a", "https://a/", "::"} {
		if _, err := Open(t.Context(), at, nil); err == nil || !strings.Contains(err.Error(), "https://ACCOUNT") {
			t.Errorf("%q: got %v", at, err)
		}
	}
}

// A start asks for what is behind the last entry of its ledger: one request, however many are before it.
func TestAListingBeginsBehindAKey(t *testing.T) {
	s, f := inContainer(t, Options{Prefix: "team/"}, nil)
	const n = 1050 // more than the first page
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				if err := s.Create(t.Context(), fmt.Sprintf("e/%04d", i), nil); err != nil {
					t.Errorf("create: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for after, want := range map[string]struct{ objects, requests int }{
		"": {n, 2}, "e": {n, 2}, "e/": {n, 2}, "e/0009": {n - 10, 2}, "e/1039": {10, 1}, "e/1049": {0, 1}, "e/9": {0, 1}, "e0": {0, 0}, "zz": {0, 0},
	} {
		f.reset(nil)
		objects := 0
		for _, err := range s.List(t.Context(), "e/", after) {
			if err != nil {
				t.Fatal(err)
			}
			objects++
		}
		if objects != want.objects || f.calls("List") != want.requests {
			t.Errorf("after %q: %d objects in %d requests, want %d in %d", after, objects, f.calls("List"), want.objects, want.requests)
		}
	}
}
