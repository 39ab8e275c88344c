package s3

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

const failedCondition = "<Error><Code>PreconditionFailed</Code><Message>a condition did not hold</Message></Error>"

// The service may say 200 before it knows, and put the error into the body. What it says there is no success, and no proof
// that another has the key either.
func TestA200ThatCarriesAnErrorIsNoSuccess(t *testing.T) {
	for name, ft := range map[string]sinktest.Fault{
		"a failed condition, undone": answer(200, failedCondition),
		"a failed condition, done":   lateAnswer(200, failedCondition),
		"an inner error, undone":     answer(200, "<Error><Code>InternalError</Code></Error>"),
		"an inner error, done":       lateAnswer(200, "<Error><Code>InternalError</Code></Error>"),
		"412, undone":                answer(412, failedCondition),
	} {
		for op, staging := range map[string]string{"PutObject": stagingUploads, "CompleteMultipartUpload": stagingUploads, "CopyObject": stagingObjects} {
			if op == "PutObject" && ft.Status == 412 {
				continue // that is the answer to a condition of ours
			}
			t.Run(name+" "+op, func(t *testing.T) {
				s, f := inBucket(t, Options{Staging: staging}, first(op, ft))
				if err := s.Create(t.Context(), "a", []byte("mine")); err != nil {
					t.Errorf("create: %v, want success", err)
				}
				if err := s.Create(t.Context(), "a", []byte("other")); !errors.Is(err, fs.ErrExist) {
					t.Errorf("second create with other bytes: %v, want fs.ErrExist", err)
				}
				if err := s.Publish(t.Context(), stage(t, s, "own-1-1", []byte("rows"))); err != nil {
					t.Errorf("publish: %v, want success", err)
				}
				for key, want := range map[string]string{"a": "mine", "own-1-1": "rows"} {
					if got, err := s.Read(t.Context(), key, 100); string(got) != want {
						t.Errorf("%s: read %q, %v, want %q", key, got, err, want)
					}
				}
				t.Logf("requests: %v", f.all())
			})
		}
	}
}

// However often it is said, the key is not taken by that.
func TestA200WithAFailedConditionProvesNoOther(t *testing.T) {
	s, f := inBucket(t, Options{Attempts: 3}, func(int, string) sinktest.Fault { return answer(200, failedCondition) })
	if err := s.Create(t.Context(), "a", []byte("mine")); err == nil || errors.Is(err, fs.ErrExist) || f.calls("PutObject") != 3 {
		t.Errorf("create: %v after %d requests, want an error after 3 that does not say that the key exists", err, f.calls("PutObject"))
	}
}

// A key that cannot be used stops the job with a word about it; one that is asked for too often is tried again.
func TestAKeyForEncryptionThatCannotBeUsedIsSaid(t *testing.T) {
	for code, permanent := range map[string]bool{
		"KMS.DisabledException": true, "KMS.KMSInvalidStateException": true, "KMS.NotFoundException": true,
		"ThrottlingException": false, "KMS.ThrottlingException": false,
	} {
		s, f := inBucket(t, Options{Attempts: 2}, func(_ int, op string) sinktest.Fault {
			return answer(400, "<Error><Code>"+code+"</Code></Error>")
		})
		u, err := s.Stage(t.Context(), "own-1-1", "own", 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = u.Close(t.Context())
		for op, err := range map[string]error{"PutObject": s.Create(t.Context(), "a", []byte("x")), "CreateMultipartUpload": err} {
			if err == nil || permanent != errors.Is(err, driver.ErrPermanent) || permanent != strings.Contains(err.Error(), "key for encryption") ||
				permanent != (f.calls(op) == 1) {
				t.Errorf("%s %s: %v after %d requests, permanent is %v", op, code, err, f.calls(op), permanent)
			}
		}
	}
}

// A bucket of another region is a mistake of the configuration: it is said at once, and each request is sent once.
func TestARedirectToAnotherRegionIsNeitherFollowedNorTriedAgain(t *testing.T) {
	const moved = "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-3.amazonaws.com</Endpoint></Error>"
	s, f := inBucket(t, Options{}, func(int, string) sinktest.Fault { return answer(301, moved) })
	_, opened := Open(t.Context(), config("k", canarySecret), s.bucket.name, &s.bucket.opts)
	_, read := s.Read(t.Context(), "a", 1)
	for op, err := range map[string]error{"Bucket": opened, "PutObject": s.Create(t.Context(), "a", nil), "GetObject": read} {
		if !errors.Is(err, driver.ErrPermanent) || !strings.Contains(err.Error(), "another region") || f.calls(op) != 1 {
			t.Errorf("%s: %v after %d requests, want that it is permanent, another region, and one request", op, err, f.calls(op))
		}
	}
}

// A store that was killed and has no parts of a committed file any more once got 434 warnings a minute, for ever. The job ends
// at its first file that cannot come back, and says which one it is.
func TestAJobEndsWhenTheStoreHasLostACommittedFile(t *testing.T) {
	for code, status := range map[string]int{"InvalidPart": 400, "NoSuchUpload": 404} {
		s, f := inBucket(t, Options{}, func(n int, op string) sinktest.Fault {
			if op != "CompleteMultipartUpload" || n < 2 { // the probe is published twice
				return sinktest.Fault{}
			}
			return answer(status, "<Error><Code>"+code+"</Code></Error>")
		})
		in := t.TempDir()
		write(t, in+"/a.txt", 100, time.Second)
		err := run(t, s, in, nil)
		lost, ok := errors.AsType[*sink.LostFileError](err)
		if !ok || !errors.Is(err, driver.ErrStagingLost) || len(lost.Files) != 1 || !strings.HasPrefix(lost.Files[0].Key, "rows/") {
			t.Errorf("%s: the job ended with %v, want an error that names the file", code, err)
		}
		if n := f.calls("CompleteMultipartUpload"); n > 6 {
			t.Errorf("%s: %d completions were tried", code, n)
		}
	}
}
