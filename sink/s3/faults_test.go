package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// Whichever request of a file's life the network spoils, the next attempt settles it.
func TestEachRequestIsTriedAgain(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 64)
	requests := map[string][]string{
		stagingUploads: {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject", "GetObject"},
		stagingObjects: {"PutObject", "HeadObject", "CopyObject"},
	}
	everywhere(t, func(t *testing.T, p place) {
		for how, ft := range map[string]sinktest.Fault{"not read": {Kind: sinktest.Silence}, "never answered": unanswered, "trickles": {Kind: sinktest.Trickle}, "bit flipped": {Kind: sinktest.Flip}} {
			for _, op := range requests[p.staging] {
				checked := op == "UploadPart" || op == "PutObject" // bodies with a checksum, answers without a body
				if ft.Kind == sinktest.Flip && !checked || ft.Kind == sinktest.Trickle && (checked || op == "HeadObject") {
					continue
				}
				t.Run(how+" "+op, func(t *testing.T) {
					t.Parallel()
					p.triesAgain(t, op, ft, body)
				})
			}
		}
	})
}

func (p place) triesAgain(t *testing.T, op string, ft sinktest.Fault, body []byte) {
	s, f := p.inBucket(t, Options{Timeout: 700 * time.Millisecond}, first(op, ft))
	if err := s.Publish(t.Context(), stage(t, s, "own-1-1", body)); err != nil {
		t.Error(err)
	}
	if err := s.Create(t.Context(), "b", body); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"own-1-1", "b"} {
		if got, err := s.Read(t.Context(), key, 1<<20); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: read %d bytes, %v, want what was written", key, len(got), err)
		}
	}
	if op == "CopyObject" {
		op = "HeadObject" // which may tell that the copy is there
	}
	if n := f.calls(op); n < 2 {
		t.Errorf("%d requests %s: none was tried again", n, op)
	}
}

// Credentials that end between two parts are asked for again, though they seem to be valid for long.
func TestCredentialsThatEndBetweenTwoPartsAreAskedForAgain(t *testing.T) {
	asked := 0
	provider := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		asked++
		c := aws.Credentials{AccessKeyID: servers.MinIOAccessKey, SecretAccessKey: canarySecret, CanExpire: true, Expires: time.Now().Add(time.Hour)}
		return c, nil
	}))
	s, f := inBucket(t, Options{PartBytes: 5 << 20}, func(n int, op string) sinktest.Fault {
		if op == "UploadPart" && n > 0 && asked == 1 {
			return answer(400, "<Error><Code>ExpiredToken</Code></Error>")
		}
		return sinktest.Fault{}
	})
	cfg := config("", "")
	cfg.Credentials = provider
	s, err := Open(t.Context(), cfg, s.bucket.name, &s.bucket.opts)
	if err != nil {
		t.Fatal(err)
	}
	f.reset()
	body := bytes.Repeat([]byte("0123456789abcdef"), 13<<16) // 13 MiB: three parts
	if err := s.Publish(t.Context(), stage(t, s, "own-1-1", body)); err != nil {
		t.Error(err)
	}
	if asked != 2 || f.calls("UploadPart") < 4 {
		t.Errorf("credentials were asked for %d times and %d parts sent, want 2 and one more than 3", asked, f.calls("UploadPart"))
	}
}

// A refusal is final: one request, an error that says so, and no storm.
func TestARefusalWhileRunningIsNotTriedAgain(t *testing.T) {
	s, f := inBucket(t, Options{}, func(_ int, op string) sinktest.Fault {
		if op == "PutObject" || op == "UploadPart" {
			return answer(403, "<Error><Code>AccessDenied</Code></Error>")
		}
		return sinktest.Fault{}
	})
	u, err := s.Stage(t.Context(), "own-1-1", "own", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.Write([]byte("rows"))
	if err == nil {
		_, err = u.Close(t.Context())
	}
	for op, err := range map[string]error{"UploadPart": err, "PutObject": s.Create(t.Context(), "a", []byte("x"))} {
		if !errors.Is(err, driver.ErrPermanent) || !strings.Contains(err.Error(), "may not allow") || f.calls(op) != 1 {
			t.Errorf("%s: %v after %d requests, want ErrPermanent after one", op, err, f.calls(op))
		}
	}
}

// A service whose clock is far from ours refuses what we sign. Its answer has its time, by which the next attempt is signed.
// The answer to HEAD has no body that would say so.
func TestRequestsAreSignedByTheServicesClock(t *testing.T) {
	const off = 3 * time.Hour
	refused := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Add(off).UTC()
		w.Header().Set("Date", now.Format(http.TimeFormat))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if d := now.Sub(signed); err != nil || d.Abs() > 15*time.Minute {
			refused++
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>RequestTimeTooSkewed</Code></Error>")
			return
		}
		switch {
		case r.Method == http.MethodGet && r.URL.Query().Has("lifecycle"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>")
		case r.Method == http.MethodPost:
			fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
		case r.Method == http.MethodGet:
			fmt.Fprint(w, "<ListMultipartUploadsResult></ListMultipartUploadsResult>")
		}
	}))
	defer s.Close()
	store, err := Open(t.Context(), config("k", canarySecret), "b", &Options{Endpoint: s.URL, PathStyle: true, Staging: stagingUploads})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), "a", []byte("x")); err != nil {
		t.Error(err)
	}
	if refused == 0 || refused > 2 {
		t.Errorf("%d requests were refused, want one or two", refused)
	}
	if now, err := store.Now(t.Context()); err != nil || time.Until(now) < off-time.Minute {
		t.Errorf("the store's clock: %v, %v, want one that is %v ahead", now, err, off)
	}
}

// A store that was away for two seconds once ended each upload, and with it all that the transaction had read.
func TestAFileIsStagedThoughTheStoreIsAwayForABlip(t *testing.T) {
	const refused = 6 // one more than the attempts of other requests
	for staging, op := range map[string]string{stagingUploads: "UploadPart", stagingObjects: "PutObject"} {
		t.Run(staging, func(t *testing.T) {
			t.Parallel()
			s, f := inBucket(t, Options{Staging: staging}, func(n int, o string) sinktest.Fault {
				if o == op && n < refused {
					return answer(503, "<Error><Code>SlowDown</Code></Error>")
				}
				return sinktest.Fault{}
			})
			stage(t, s, "own-1-1", []byte("rows"))
			if n := f.calls(op); n != refused+1 {
				t.Errorf("%d requests, want %d", n, refused+1)
			}
		})
	}
}
