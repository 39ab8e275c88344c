package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
)

var shared servertest.Shared

func TestMain(m *testing.M) { shared.Main(m) }

const canarySecret = servers.MinIOSecretKey

func config(key, secret string) aws.Config {
	return aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}
}

// first spoils the first request of an operation.
func first(op string, ft fault) func(n int, op string) fault {
	return func(n int, got string) fault {
		if got == op && n == 0 {
			return ft
		}
		return fault{}
	}
}

// inBucket makes a bucket on the real server and a store that reaches it through a front.
func inBucket(t *testing.T, o Options, spoil func(n int, op string) fault) (*Store, *front) {
	t.Helper()
	m := shared.MinIO(t)
	name := "bucket-" + strings.ToLower(rand.Text())
	cfg := config(servers.MinIOAccessKey, canarySecret)
	admin := s3.NewFromConfig(cfg, func(c *s3.Options) { c.UsePathStyle, c.BaseEndpoint = true, aws.String(m.Endpoint()) })
	if _, err := admin.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	var armed atomic.Bool
	f := newFront(t, m.Endpoint(), func(n int, op string) fault {
		if !armed.Load() || spoil == nil {
			return fault{}
		}
		return spoil(n, op)
	})
	o.Endpoint, o.PathStyle = f.URL, true
	s, err := Open(t.Context(), cfg, name, &o)
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

func TestAFileCostsThreeRequests(t *testing.T) {
	s, f := inBucket(t, Options{}, nil)
	ref := stage(t, s, "views/own-1-1.zst", make([]byte, 100_000))
	if err := s.Publish(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	want := []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
	if !slices.Equal(f.all(), want) {
		t.Errorf("one file took %v, want %v", f.all(), want)
	}
}

// A reply that is lost, a service that stumbles, a conflict: the object is created once and reported as ours.
func TestCreateKnowsItsOwnObjectAfterALostReply(t *testing.T) {
	for name, ft := range map[string]fault{
		"reply lost":    {hang: true},
		"503 after":     {after: &answer{503, "<Error><Code>SlowDown</Code></Error>"}},
		"409 before":    {before: &answer{409, "<Error><Code>ConditionalRequestConflict</Code></Error>"}},
		"expired token": {before: &answer{400, "<Error><Code>ExpiredToken</Code></Error>"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := inBucket(t, Options{Timeout: 300 * time.Millisecond}, first("PutObject", ft))
			if err := s.Create(t.Context(), "a", []byte("mine")); err != nil {
				t.Errorf("create: %v, want success", err)
			}
			if err := s.Create(t.Context(), "a", []byte("other")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("second create with other bytes: %v, want fs.ErrExist", err)
			}
			if got, err := s.Read(t.Context(), "a", 100); string(got) != "mine" {
				t.Errorf("read %q, %v, want the first bytes", got, err)
			}
		})
	}
}

// Each answer to a completion that is not a plain yes was seen in practice. The object tells what happened.
func TestPublishLooksAtTheObjectWhenTheAnswerIsUnclear(t *testing.T) {
	for name, ft := range map[string]fault{
		"reply lost":           {hang: true},
		"200 with an error":    {before: &answer{200, "<Error><Code>InternalError</Code><Message>try</Message></Error>"}},
		"200 and nothing":      {after: &answer{200, ""}},
		"200, nothing, undone": {before: &answer{200, ""}},
		"200 cut short":        {after: &answer{200, "<CompleteMultipartUploadResult><Bucket>b"}},
		"no such upload":       {after: &answer{404, "<Error><Code>NoSuchUpload</Code></Error>"}},
		"503":                  {before: &answer{503, "<Error><Code>SlowDown</Code></Error>"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := inBucket(t, Options{Timeout: 300 * time.Millisecond}, first("CompleteMultipartUpload", ft))
			ref := stage(t, s, "own-1-1", []byte("rows"))
			for range 2 {
				if err := s.Publish(t.Context(), ref); err != nil {
					t.Fatalf("publish: %v, want success", err)
				}
			}
			if got, err := s.Read(t.Context(), "own-1-1", 100); string(got) != "rows" {
				t.Errorf("read %q, %v", got, err)
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
	for st := range s.bucket.uploads(t.Context(), "own-1-1") {
		if err := s.Discard(t.Context(), st); err != nil {
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
	s, f := inBucket(t, Options{PartBytes: 5 << 20}, nil)
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
	if len(ref) > 8<<10 {
		t.Errorf("the reference has %d bytes, want at most 8 KiB", len(ref))
	}
}

// A server that takes the request and never answers must not hold a call for longer than its attempts take.
func TestABlackHoleEndsInAnError(t *testing.T) {
	s, f := inBucket(t, Options{Timeout: 100 * time.Millisecond, Attempts: 2}, func(_ int, op string) fault {
		return fault{hang: op == "PutObject"}
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
	_, err := Open(t.Context(), aws.Config{}, "b", &Options{PartBytes: 1, Attempts: -1, KMSKey: "k", Encryption: "rot13", Prefix: "/"})
	for _, want := range []string{"PartBytes", "Attempts", "KMSKey", "Encryption", "Prefix"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// Parts that are gone do not come back: an error for a person, and no retry without end.
func TestPartsThatTheStoreHasLostAreLostStaging(t *testing.T) {
	s, f := inBucket(t, Options{}, func(_ int, op string) fault {
		if op != "CompleteMultipartUpload" {
			return fault{}
		}
		return fault{before: &answer{400, "<Error><Code>InvalidPart</Code></Error>"}}
	})
	err := s.Publish(t.Context(), stage(t, s, "own-1-1", []byte("rows")))
	if !errors.Is(err, driver.ErrStagingLost) || f.calls("CompleteMultipartUpload") != 1 {
		t.Errorf("publish: %v after %d tries, want ErrStagingLost after 1", err, f.calls("CompleteMultipartUpload"))
	}
}
