package s3

import (
	"cmp"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	sinktest.Run(t, conformance(20*time.Second, func(t *testing.T) string { return shared.MinIO(t).Endpoint() }))
}

// Moto lists uploads by prefix, as Amazon does and MinIO does not, so here the rules about listed staging are tried too. It
// is slow, and checks no sums, so the network is not spoiled. It has no small pages of uploads.
func TestConformanceWhereUploadsAreListed(t *testing.T) {
	c := conformance(time.Minute, func(t *testing.T) string { return servertest.Moto(t).Endpoint() })
	c.Patience = 3 * time.Minute
	setup, open := c.Setup, c.Open
	c.Setup = func(t *testing.T) sinktest.Place {
		at := setup(t)
		return sinktest.Place{Name: at.Server + " " + at.Name}
	}
	c.Open = func(t *testing.T, at sinktest.Place) (driver.Store, error) {
		at.Server, at.Name, _ = strings.Cut(at.Name, " ")
		s, err := open(t, at)
		if err == nil && driver.TraitsOf(s).HidesAll {
			t.Errorf("traits %+v: nothing staged would be listed", driver.TraitsOf(s))
		}
		return s, err
	}
	sinktest.Run(t, c)
}

// conformance tests a store in a new bucket on a server.
func conformance(timeout time.Duration, start func(*testing.T) string) sinktest.Config {
	return sinktest.Config{
		Setup: func(t *testing.T) sinktest.Place {
			server := start(t)
			return sinktest.Place{Server: server, Name: newBucket(t, server)}
		},
		Open: func(t *testing.T, at sinktest.Place) (driver.Store, error) {
			o := &Options{Endpoint: at.Server, PathStyle: true, Timeout: cmp.Or(at.Timeout, timeout), Attempts: 3}
			s, err := Open(t.Context(), config(servers.MinIOAccessKey, canarySecret), at.Name, o)
			if err != nil {
				return nil, err
			}
			s.bucket.page = aws.Int32(7)
			return s, nil
		},
		Page:    7,
		Secrets: []string{canarySecret},
	}
}

// newBucket makes a bucket.
func newBucket(t *testing.T, endpoint string) string {
	t.Helper()
	name := "bucket-" + strings.ToLower(rand.Text())
	admin := s3.NewFromConfig(config(servers.MinIOAccessKey, canarySecret), func(c *s3.Options) { c.UsePathStyle, c.BaseEndpoint = true, aws.String(endpoint) })
	if _, err := admin.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return name
}
