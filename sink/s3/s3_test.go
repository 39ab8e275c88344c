package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

var shared servertest.Shared

func TestMain(m *testing.M) { shared.Main(m) }

const canarySecret = servers.MinIOSecretKey

func config(key, secret string) aws.Config {
	return aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}
}

// first spoils the first request of an operation.
func first(op string, ft sinktest.Fault) func(n int, op string) sinktest.Fault {
	return func(n int, got string) sinktest.Fault {
		if got == op && n == 0 {
			return ft
		}
		return sinktest.Fault{}
	}
}

// inBucket makes a bucket on MinIO and a store, with uploads unless o says otherwise, that reaches it through a front.
func inBucket(t *testing.T, o Options, spoil func(n int, op string) sinktest.Fault) (*Store, *front) {
	t.Helper()
	return place{"MinIO", shared.MinIO(t).Endpoint(), cmp.Or(o.Staging, stagingUploads)}.inBucket(t, o, spoil)
}

func (p place) inBucket(t *testing.T, o Options, spoil func(n int, op string) sinktest.Fault) (*Store, *front) {
	t.Helper()
	name := newBucket(t, p.endpoint)
	var armed atomic.Bool
	f := newFront(t, p.endpoint, func(n int, op string) sinktest.Fault {
		if !armed.Load() || spoil == nil {
			return sinktest.Fault{}
		}
		return spoil(n, op)
	})
	o.Endpoint, o.PathStyle, o.Staging = f.URL, true, p.staging
	s, err := Open(t.Context(), config(servers.MinIOAccessKey, canarySecret), name, &o)
	if err != nil {
		t.Fatal(err)
	}
	f.reset()
	armed.Store(true)
	return s, f
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

// What is paid for by the request: a deletion is free, a look costs a tenth of the others.
func TestRequestsOfAFile(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		s, f := p.inBucket(t, Options{}, nil)
		ref := stage(t, s, "views/own-1-1.zst", make([]byte, 100_000))
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		want := []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject"}
		if p.staging == stagingObjects {
			want = []string{"PutObject", "HeadObject", "CopyObject", "DeleteObject"}
		}
		if !slices.Equal(f.all(), want) {
			t.Errorf("one file took %v, want %v", f.all(), want)
		}
	})
}

// A reply that is lost, a service that stumbles, a conflict: the object is created once and reported as ours.
func TestCreateKnowsItsOwnObjectAfterALostReply(t *testing.T) {
	for name, ft := range map[string]sinktest.Fault{
		"reply lost":    unanswered,
		"503 after":     lateAnswer(503, "<Error><Code>SlowDown</Code></Error>"),
		"409 before":    answer(409, "<Error><Code>ConditionalRequestConflict</Code></Error>"),
		"expired token": answer(400, "<Error><Code>ExpiredToken</Code></Error>"),
	} {
		everywhere(t, func(t *testing.T, p place) {
			s, _ := p.inBucket(t, Options{Timeout: 300 * time.Millisecond}, first("PutObject", ft))
			if err := s.Create(t.Context(), "a", []byte("mine")); err != nil {
				t.Errorf("%s: create: %v, want success", name, err)
			}
			if err := s.Create(t.Context(), "a", []byte("other")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%s: second create with other bytes: %v, want fs.ErrExist", name, err)
			}
			if got, err := s.Read(t.Context(), "a", 100); string(got) != "mine" {
				t.Errorf("%s: read %q, %v, want the first bytes", name, got, err)
			}
		})
	}
}

// Each answer to a completion that is not a plain yes was seen in practice. The object tells what happened. A copy is no
// different.
func TestPublishLooksAtTheObjectWhenTheAnswerIsUnclear(t *testing.T) {
	for name, ft := range map[string]sinktest.Fault{
		"reply lost":           unanswered,
		"200 with an error":    answer(200, "<Error><Code>InternalError</Code><Message>try</Message></Error>"),
		"200 and nothing":      lateAnswer(200, ""),
		"200, nothing, undone": answer(200, ""),
		"200 cut short":        lateAnswer(200, "<CompleteMultipartUploadResult><Bucket>b"),
		"no such upload":       lateAnswer(404, "<Error><Code>NoSuchUpload</Code></Error>"),
		"no such key":          lateAnswer(404, "<Error><Code>NoSuchKey</Code></Error>"),
		"503":                  answer(503, "<Error><Code>SlowDown</Code></Error>"),
	} {
		everywhere(t, func(t *testing.T, p place) {
			t.Parallel()
			spoiled := first("CompleteMultipartUpload", ft)
			if p.staging == stagingObjects {
				spoiled = first("CopyObject", ft)
			}
			s, _ := p.inBucket(t, Options{Timeout: 700 * time.Millisecond}, spoiled)
			ref := stage(t, s, "own-1-1", []byte("rows"))
			for range 2 {
				if err := s.Publish(t.Context(), ref); err != nil {
					t.Fatalf("%s: publish: %v, want success", name, err)
				}
			}
			if got, err := s.Read(t.Context(), "own-1-1", 100); string(got) != "rows" {
				t.Errorf("%s: read %q, %v", name, got, err)
			}
		})
	}
}

func TestPublishNeverTakesAnothersObjectForItsOwn(t *testing.T) {
	s, _ := inBucket(t, Options{}, nil)
	mine := stage(t, s, "own-1-1", []byte("rows"))
	other := stage(t, s, "own-1-1", []byte("rows"))
	if err := s.Publish(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	var lost []byte
	for u := range listUploads(t.Context(), s.bucket, "own-1-1") {
		if err := s.Discard(t.Context(), driver.Staging{Key: u.name, ID: u.id}); err != nil {
			t.Fatal(err)
		}
		lost = mine
	}
	if lost == nil {
		t.Fatal("the staged file is not listed by its key")
	}
	if err := s.Publish(t.Context(), lost); !errors.Is(err, driver.ErrStagingLost) {
		t.Errorf("publish after discard, another object in place: %v, want ErrStagingLost", err)
	}
}

func TestLongFilesGoInPartsAndComeBackWhole(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		s, f := p.inBucket(t, Options{PartBytes: 5 << 20}, nil)
		body := bytes.Repeat([]byte("0123456789abcdef"), 13<<16) // 13 MiB: three parts
		ref := stage(t, s, "own-1-1", body)
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if n := f.calls("UploadPart"); n != 3 {
			t.Errorf("%d parts, want 3", n)
		}
		got, err := s.Read(t.Context(), "own-1-1", int64(len(body)))
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("read %d bytes, %v, want what was written", len(got), err)
		}
		for st, err := range s.Staged(t.Context()) {
			t.Errorf("left in staging: %v, %v", st, err)
		}
	})
}

// A server that takes the request and never answers must not hold a call for longer than its attempts take.
func TestABlackHoleEndsInAnError(t *testing.T) {
	s, f := inBucket(t, Options{Timeout: 100 * time.Millisecond, Attempts: 2}, func(_ int, op string) sinktest.Fault {
		if op == "PutObject" {
			return unanswered
		}
		return sinktest.Fault{}
	})
	err := s.Create(t.Context(), "a", []byte("x"))
	if !errors.Is(err, context.DeadlineExceeded) || f.calls("PutObject") != 2 {
		t.Errorf("create: %v after %d attempts, want a deadline after 2", err, f.calls("PutObject"))
	}
}

func TestWrongConfigurationSaysWhatIsWrongAndShowsNoSecret(t *testing.T) {
	m := shared.MinIO(t)
	o := &Options{Endpoint: m.Endpoint(), PathStyle: true}
	_, noBucket := Open(t.Context(), config(servers.MinIOAccessKey, canarySecret), "not-there", o)
	_, noKey := Open(t.Context(), config(servers.MinIOAccessKey, "wrong-"+canarySecret), "not-there", o)
	_, noServer := Open(t.Context(), config("k", canarySecret), "b",
		&Options{Endpoint: "http://127.0.0.1:1", PathStyle: true, Attempts: 2})
	for want, err := range map[string]error{"bucket may not exist": noBucket, "credentials": noKey, "refused": noServer} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		} else if permanent := errors.Is(err, driver.ErrPermanent); permanent != (want != "refused") {
			t.Errorf("%v: permanent: %t", err, permanent)
		} else if strings.Contains(err.Error(), canarySecret+"\"") || strings.Contains(err.Error(), "wrong-") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestOptionsNameAllFaultsAtOnce(t *testing.T) {
	_, err := Open(t.Context(), aws.Config{}, "b", &Options{PartBytes: 1, Attempts: -1, KMSKey: "k", Encryption: "rot13", Prefix: "/", Staging: "disk"})
	for _, want := range []string{"PartBytes", "Attempts", "KMSKey", "Encryption", "Prefix", "Staging"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// versitygw that was killed in the middle of a completion once said yes for ever, to an upload that it never completes: the
// manifest told of a file that was not there.
func TestAYesIsNotBelievedBeforeTheObjectIsSeen(t *testing.T) {
	s, f := inBucket(t, Options{Attempts: 1}, func(_ int, op string) sinktest.Fault {
		if op != "CompleteMultipartUpload" {
			return sinktest.Fault{}
		}
		return answer(200, `<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>`)
	})
	err := s.Publish(t.Context(), stage(t, s, "own-1-1", []byte("rows")))
	if !errors.Is(err, driver.ErrStagingLost) || f.calls("HeadObject") < 2 {
		t.Errorf("publish: %v after %d looks, want ErrStagingLost after some", err, f.calls("HeadObject"))
	}
}

// Parts that are gone do not come back: an error for a person, and no retry without end.
func TestPartsThatTheStoreHasLostAreLostStaging(t *testing.T) {
	s, f := inBucket(t, Options{}, func(_ int, op string) sinktest.Fault {
		if op != "CompleteMultipartUpload" {
			return sinktest.Fault{}
		}
		return answer(400, "<Error><Code>InvalidPart</Code></Error>")
	})
	err := s.Publish(t.Context(), stage(t, s, "own-1-1", []byte("rows")))
	if !errors.Is(err, driver.ErrStagingLost) || f.calls("CompleteMultipartUpload") != 1 {
		t.Errorf("publish: %v after %d tries, want ErrStagingLost after 1", err, f.calls("CompleteMultipartUpload"))
	}
}
