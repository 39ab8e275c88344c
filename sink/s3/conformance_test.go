package s3

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	sinktest.Run(t, inNewBucket(t, shared.MinIO(t).Endpoint()))
}

// Moto lists uploads by prefix, as Amazon does and MinIO does not, so here the rules about listed staging are tried too.
func TestConformanceWhereUploadsAreListed(t *testing.T) {
	open := inNewBucket(t, servertest.Moto(t).Endpoint())
	if l := driver.TraitsOf(open(t)); l.HidesAll {
		t.Fatalf("limits %+v: nothing staged would be listed", l)
	}
	sinktest.Run(t, open)
}

// inNewBucket makes a bucket and returns what opens it.
func inNewBucket(t *testing.T, endpoint string) func(*testing.T) driver.Store {
	t.Helper()
	cfg := config(servers.MinIOAccessKey, canarySecret)
	o := Options{Endpoint: endpoint, PathStyle: true}
	name := "bucket-" + strings.ToLower(rand.Text())
	admin := s3.NewFromConfig(cfg, func(c *s3.Options) { c.UsePathStyle, c.BaseEndpoint = true, aws.String(endpoint) })
	if _, err := admin.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) driver.Store {
		t.Helper()
		s, err := Open(t.Context(), cfg, name, &o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}
