package s3

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	m := shared.MinIO(t)
	cfg := config(servers.MinIOAccessKey, canarySecret)
	o := Options{Endpoint: m.Endpoint(), PathStyle: true}
	name := "bucket-" + strings.ToLower(rand.Text())
	admin := s3.NewFromConfig(cfg, func(c *s3.Options) { c.UsePathStyle, c.BaseEndpoint = true, aws.String(m.Endpoint()) })
	if _, err := admin.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	sinktest.Run(t, func(t *testing.T) sink.Store {
		s, err := Open(t.Context(), cfg, name, &o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
