package servers_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

func TestPortsOfTwoCachesInOneFolderDiffer(t *testing.T) {
	t.Setenv("ONCEFLOW_CACHE", t.TempDir())
	seen := map[int]bool{}
	for range 2 {
		c, err := servers.Open()
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			p, err := c.Port(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if seen[p] {
				t.Errorf("port %d was given twice", p)
			}
			seen[p] = true
		}
	}
}

func TestKafkaComesBackAfterSIGKILLAndStopLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	k := servertest.Kafka(t, &servers.KafkaOptions{Brokers: 3, Dir: dir})
	if n := len(k.Brokers()); n != 3 {
		t.Fatalf("got %d brokers, want 3", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	k.Kill(1)
	if k.Process(1).Alive() {
		t.Fatal("broker is alive after Kill")
	}
	if err := k.Restart(ctx, 1); err != nil {
		t.Fatal(err)
	}
	var procs []*servers.Process
	for i := range 3 {
		procs = append(procs, k.Process(i))
	}
	k.Stop()
	for _, p := range procs {
		if p.Alive() {
			t.Errorf("pid %d is alive after Stop", p.PID())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	c := servertest.Need(t)
	_, err := servers.StartKafka(t.Context(), c, &servers.KafkaOptions{Properties: map[string]string{"broker.rack": "r", "log.dirs": os.DevNull}})
	if err == nil {
		t.Fatal("a broker without a folder for its log started")
	}
	t.Logf("said: %.300s", err)
}

func TestEachServerStartsServesAndStops(t *testing.T) {
	minio, local, lite, proxy := servertest.MinIO(t), servertest.KinesisLocal(t), servertest.Kinesalite(t), servertest.Toxiproxy(t)
	for _, p := range []*servers.Process{minio.Process(), local.Process, lite.Process, proxy.Process} {
		if !p.Alive() {
			t.Errorf("pid %d is not alive", p.PID())
		}
	}
	minio.Stop()
	local.Stop()
	lite.Stop()
	proxy.Stop()
	for _, p := range []*servers.Process{minio.Process(), local.Process, lite.Process, proxy.Process} {
		if p.Alive() {
			t.Errorf("pid %d is alive after Stop", p.PID())
		}
	}
}

// The pinned MinIO loses uploads whose completion is cut off; its front must not.
func TestAFrontCompletesUploadsWhoseClientHangsUp(t *testing.T) {
	m := servertest.MinIO(t)
	f, err := m.Front(t.Context(), servertest.Need(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	endpoint, bucket := fmt.Sprintf("http://127.0.0.1:%d", f.Port()), aws.String("bucket")
	c := s3.New(s3.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, servers.MinIOSecretKey, ""),
	})
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		key := aws.String(fmt.Sprint("k", i))
		up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(make([]byte, 20_000)),
		})
		if err != nil {
			t.Fatal(err)
		}
		in := &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{
			Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}},
		}}
		cut, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
		_, _ = c.CompleteMultipartUpload(cut, in)
		cancel()
		_, again := c.CompleteMultipartUpload(t.Context(), in)
		if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key}); err != nil {
			t.Fatalf("cut off after %v: the object is not there: %v; the second attempt said %v", time.Duration(i)*100*time.Microsecond, err, again)
		}
	}
}
