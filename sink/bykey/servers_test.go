package bykey_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/s3"
)

// A range of a real server is what the pack has there, for every key, and hours have the same.
func TestKeysAreReadFromMinIO(t *testing.T) {
	minio := servertest.MinIO(t)
	cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, servers.MinIOSecretKey, "")}
	admin := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(minio.Endpoint()), true })
	if _, err := admin.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("keys")}); err != nil {
		t.Fatal(err)
	}
	store, err := s3.Open(t.Context(), cfg, "keys", &s3.Options{Endpoint: minio.Endpoint(), PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	rows := mixed(t, store, codec.Gzip)
	var count counting
	r := openReader(t, count.store(store), bykey.Options{})
	for _, v := range hostile {
		var g got
		g.read(t, r, of(v))
		g.want(t, rows, v)
	}
	ranges := 0
	for key, n := range count.ranges {
		ranges += n
		if n > 1+len(hostile) {
			t.Errorf("%d ranges of %s were read for %d keys", n, key, len(hostile))
		}
	}
	if ranges == 0 {
		t.Error("no range was read")
	}
	j := begin(t, store, keyed(true))
	j.seal(noon.Add(4 * time.Hour))
	var g got
	for u, err := range r.Hours(testContext(t), of("", "a/b"), noon) {
		if err == nil {
			err = g.take(testContext(t), u)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	g.want(t, rows, "", "a/b")
}
