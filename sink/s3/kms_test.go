package s3

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// demanding stands before a real server like a bucket policy: what begins an object must ask for encryption with that key.
func demanding(t *testing.T, key string) (endpoint, bucket string) {
	t.Helper()
	f := sinktest.NewFront(t, shared.MinIO(t).Endpoint())
	bucket = newBucket(t, f.URL)
	f.Spoil(func(_ int, r *http.Request) sinktest.Fault {
		h := r.Header
		begins := slices.Contains([]string{"PutObject", "CopyObject", "CreateMultipartUpload"}, opOf(r))
		if begins && (h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != key) {
			return answer(http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>")
		}
		return sinktest.Fault{}
	})
	return f.URL, bucket
}

// All that a job writes, control objects too, asks for the encryption that it was told, and is stored with that key.
func TestAllThatIsWrittenAsksForTheEncryptionThatABucketDemands(t *testing.T) {
	for _, staging := range []string{stagingUploads, stagingObjects} {
		t.Run(staging, func(t *testing.T) { asksForEncryption(t, staging) })
	}
}

func asksForEncryption(t *testing.T, staging string) {
	endpoint, bucket := demanding(t, servers.MinIOKMSKey)
	cfg := config(servers.MinIOAccessKey, canarySecret)
	o := &Options{Endpoint: endpoint, PathStyle: true, Encryption: "aws:kms", KMSKey: servers.MinIOKMSKey, Staging: staging}
	s, err := Open(t.Context(), cfg, bucket, o)
	if err != nil {
		t.Fatal(err)
	}
	in := t.TempDir()
	write(t, in+"/a.txt", 1000, 5*time.Second)
	if err := run(t, s, in, nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	for obj, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		head, err := s.bucket.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String(obj.Key)})
		if err != nil || !strings.HasSuffix(aws.ToString(head.SSEKMSKeyId), servers.MinIOKMSKey) {
			t.Errorf("%s: %v, not encrypted with the key, but %v", obj.Key, err, head)
		}
		n++
	}
	if n < 6 {
		t.Errorf("%d objects were written, which shows nothing", n)
	}
}

func TestABucketThatDemandsEncryptionRefusesAStoreThatDoesNotAskForIt(t *testing.T) {
	endpoint, bucket := demanding(t, servers.MinIOKMSKey)
	for name, o := range map[string]Options{
		"no encryption": {}, "another kind": {Encryption: "AES256"}, "another key": {Encryption: "aws:kms", KMSKey: "other"},
	} {
		o.Endpoint, o.PathStyle = endpoint, true
		if _, err := Open(t.Context(), config(servers.MinIOAccessKey, canarySecret), bucket, &o); !errors.Is(err, driver.ErrPermanent) {
			t.Errorf("%s: opened with %v, want ErrPermanent", name, err)
		}
	}
	endpoint, bucket = demanding(t, "other") // the policy has a key that the store does not
	o := &Options{Endpoint: endpoint, PathStyle: true, Encryption: "aws:kms", KMSKey: "other"}
	if _, err := Open(t.Context(), config(servers.MinIOAccessKey, canarySecret), bucket, o); err == nil {
		t.Error("opened with a key that does not exist")
	} else {
		t.Logf("a key that does not exist: %v", err)
	}
}
