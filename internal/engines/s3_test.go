package engines

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	sinks3 "github.com/onceflow/onceflow/sink/s3"
)

// onS3 is an S3 server with the output of a job in the bucket "bucket": the flow of gzipped JSON lines.
var onS3 = sync.OnceValues(func() (*servers.MinIO, error) {
	ctx := context.Background()
	c, err := servers.Open()
	if err != nil {
		return nil, err
	}
	m, err := servers.StartMinIO(ctx, c)
	if err != nil {
		return nil, err
	}
	stops = append(stops, m.Stop)
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(m.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, servers.MinIOSecretKey, ""),
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		return nil, err
	}
	store, err := sinks3.Open(ctx, cfg, "bucket", &sinks3.Options{Endpoint: m.Endpoint(), PathStyle: true})
	if err != nil {
		return nil, err
	}
	in := filepath.Join(temp, "in-s3")
	if err := os.Mkdir(in, 0o700); err != nil {
		return nil, err
	}
	return m, write(ctx, store, in, kinds()[1:2])
})

func minio(t *testing.T) *servers.MinIO {
	t.Helper()
	m, err := onS3()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Where the document's lines have the store, and what clients need to reach ours by the variables that they know.
const (
	bucketURL       = "s3://bucket"
	defaultEndpoint = "http://127.0.0.1:9000"
)

func clientEnv(m *servers.MinIO) []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + servers.MinIOAccessKey, "AWS_SECRET_ACCESS_KEY=" + servers.MinIOSecretKey, "AWS_REGION=us-east-1",
		"AWS_ENDPOINT_URL=" + m.Endpoint(), "AWS_ALLOW_HTTP=true",
	}
}
