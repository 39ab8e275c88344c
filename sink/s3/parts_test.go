package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// strict is a store that keeps nothing and completes an upload only if all of its parts but the last are equally long, as
// Cloudflare says of R2.
type strict struct {
	mu      sync.Mutex
	lengths []int64
	token   string
	done    bool
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := io.Copy(io.Discard, r.Body)
	switch op := opOf(r); op {
	case "CreateMultipartUpload":
		s.lengths, s.done, s.token = nil, false, r.Header.Get("X-Amz-Meta-"+tokenKey)
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
	case "UploadPart":
		if strconv.Itoa(len(s.lengths)+1) != r.URL.Query().Get("partNumber") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		s.lengths = append(s.lengths, n)
		w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
	case "CompleteMultipartUpload":
		for i, n := range s.lengths {
			if last := i == len(s.lengths)-1; n != s.lengths[0] && (!last || n > s.lengths[0]) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, "<Error><Code>InvalidPart</Code><Message>All non-trailing parts must have the same length.</Message></Error>")
				return
			}
		}
		s.done = true
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>`)
	case "HeadObject":
		size := int64(0)
		for _, n := range s.lengths {
			size += n
		}
		w.Header().Set("X-Amz-Meta-"+tokenKey, s.token)
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if !s.done {
			w.WriteHeader(http.StatusNotFound)
		}
	case "List":
		fmt.Fprint(w, "<ListMultipartUploadsResult></ListMultipartUploadsResult>")
	default:
		if r.URL.Query().Has("lifecycle") {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>")
		}
	}
}

// The parts of a file of over 128 MiB once doubled their length after 16: it was committed, and could never be published.
func TestAllPartsOfAFileButTheLastAreEquallyLong(t *testing.T) {
	server := &strict{}
	endpoint := httptest.NewServer(server)
	defer endpoint.Close()
	o := &Options{Endpoint: endpoint.URL, PathStyle: true, Staging: stagingUploads, PartBytes: 5 << 20}
	s, err := Open(t.Context(), config("k", canarySecret), "b", o)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 3<<20+17)
	for most, length := range map[int64]int64{0: 5 << 20, 1: 5 << 20, 100 << 20: 5 << 20, 720 << 20: 10 << 20} {
		u, err := s.Stage(t.Context(), "own-1-1", "own", most)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 { // 120 MiB: longer than was said, or shorter
			if _, err := u.Write(chunk); err != nil {
				t.Fatal(err)
			}
		}
		ref, err := u.Close(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Publish(t.Context(), ref); err != nil || !server.done || server.lengths[0] != length {
			t.Errorf("told %d bytes: published: %v, %v, in parts of %d, want %d", most, server.done, err, server.lengths, length)
		}
	}
}

// A ref has room for all parts of a file that ends where Stage was told, also with long names and ETags, and some more:
// the last write may be long.
func TestPartsStayWithinTheServicesLimits(t *testing.T) {
	const mostParts, mostPart = 10_000, 5 << 30
	for _, etag := range []string{strings.Repeat("a", 34), strings.Repeat("a", 66)} {
		for _, most := range []int64{0, 1 << 20, 256 << 20, 5 << 30, 70 << 30} {
			u := &upload{length: partLength(5<<20, most)}
			u.ref = ref{Key: strings.Repeat("k", driver.MaxKey), Token: strings.Repeat("t", tokenLength), Upload: strings.Repeat("u", 350), Size: 1 << 40}
			for {
				u.ref.Parts = append(u.ref.Parts, part{ETag: etag, CRC: "AAAAAA=="})
				if _, err := u.encode(); err != nil {
					break
				}
			}
			parts := len(u.ref.Parts) - 1
			t.Logf("%d bytes, ETags of %d: parts of %d MiB, room for %d", most, len(etag), u.length>>20, parts)
			if got := int64(parts) * int64(u.length); got < most || parts > mostParts || u.length > mostPart || u.length < 5<<20 {
				t.Errorf("%d bytes: %d parts of %d", most, parts, u.length)
			}
		}
	}
}

func TestPartsComeBackFromARef(t *testing.T) {
	for _, want := range []part{{`"0123"`, "AAAAAA=="}, {"with a space", "AAAAAA=="}, {"", ""}} {
		var got part
		b, err := want.MarshalText()
		if err == nil {
			err = got.UnmarshalText(b)
		}
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if err := new(part).UnmarshalText([]byte("x")); err == nil {
		t.Error("a part without a checksum is taken")
	}
}

// A store that takes no second part is refused before anything is committed.
func TestAJobBeginsWithAFileOfSeveralParts(t *testing.T) {
	for _, staging := range []string{stagingUploads, stagingObjects} {
		s, f := inBucket(t, Options{Staging: staging}, func(n int, op string) sinktest.Fault {
			if op == "UploadPart" && n > 0 {
				return answer(501, "<Error><Code>NotImplemented</Code></Error>")
			}
			return sinktest.Fault{}
		})
		out, err := sink.Open(t.Context(), s, "job", []sink.Flow[string]{{Name: "rows", Format: format.JSONLines[string]()}}, nil)
		if err == nil || out != nil || f.calls("UploadPart") < 2 {
			t.Errorf("%s: opened with %v after %d parts, want an error", staging, err, f.calls("UploadPart"))
		}
		if _, err := s.Read(t.Context(), "_onceflow/job/e0001/genesis.json", 1<<20); err == nil || errors.Is(err, driver.ErrPermanent) {
			t.Errorf("%s: the ledger has begun: %v", staging, err)
		}
	}
}
