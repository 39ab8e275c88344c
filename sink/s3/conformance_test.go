package s3

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	for server, start := range map[string]func(*testing.T) string{
		"MinIO":     func(t *testing.T) string { return shared.MinIO(t).Endpoint() },
		"versitygw": func(t *testing.T) string { return shared.Versity(t).Endpoint() },
	} {
		for _, staging := range []string{stagingUploads, stagingObjects} {
			t.Run(server+" "+staging, func(t *testing.T) {
				sinktest.Run(t, conformance(staging, server == "MinIO" && staging == stagingUploads, start))
			})
		}
	}
}

// conformance tests a store in a new bucket on a server.
func conformance(staging string, hides bool, start func(*testing.T) string) sinktest.Config {
	return sinktest.Config{
		Setup: func(t *testing.T) sinktest.Place {
			server := start(t)
			return sinktest.Place{Server: server, Name: newBucket(t, server)}
		},
		Open: func(t *testing.T, at sinktest.Place) (driver.Store, error) {
			o := &Options{Endpoint: at.Server, PathStyle: true, Timeout: at.Timeout, Attempts: 3, Staging: staging}
			s, err := Open(t.Context(), config(servers.MinIOAccessKey, canarySecret), at.Name, o)
			if err != nil {
				return nil, err
			}
			if driver.TraitsOf(s).HidesAll != hides {
				t.Errorf("traits %+v: MinIO alone lists no uploads", driver.TraitsOf(s))
			}
			s.bucket.page = aws.Int32(7)
			return s, nil
		},
		Page:    7,
		Secrets: []string{canarySecret},
		Put: func(t *testing.T, at sinktest.Place, name string, body []byte) error {
			if strings.ContainsAny(name, "\x01\x1f\ufffe") || !utf8.ValidString(name) {
				return errors.ErrUnsupported // TestForeignObjectsDisturbNothing puts these; versitygw lists them all as U+FFFD
			}
			_, err := admin(at.Server).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &at.Name, Key: &name, Body: bytes.NewReader(body)})
			return err
		},
		Bytes: func(t *testing.T, at sinktest.Place) (n int64, err error) { // of uploads the service tells no length
			pages := s3.NewListObjectsV2Paginator(admin(at.Server), &s3.ListObjectsV2Input{Bucket: &at.Name})
			for pages.HasMorePages() && err == nil {
				var page *s3.ListObjectsV2Output
				if page, err = pages.NextPage(t.Context()); err != nil {
					break
				}
				for _, o := range page.Contents {
					n += aws.ToInt64(o.Size)
				}
			}
			return n, err
		},
	}
}

// place is a server, and as what files wait there.
type place struct{ server, endpoint, staging string }

// everywhere runs a test on each server with each kind of staging.
func everywhere(t *testing.T, f func(*testing.T, place)) {
	t.Helper()
	endpoints := map[string]string{"MinIO": shared.MinIO(t).Endpoint(), "versitygw": shared.Versity(t).Endpoint()}
	for server, endpoint := range endpoints {
		for _, staging := range []string{stagingUploads, stagingObjects} {
			t.Run(server+" "+staging, func(t *testing.T) { f(t, place{server, endpoint, staging}) })
		}
	}
}

// admin is a client as others have it.
func admin(endpoint string) *s3.Client {
	return s3.NewFromConfig(config(servers.MinIOAccessKey, canarySecret), func(c *s3.Options) {
		c.UsePathStyle, c.BaseEndpoint = true, aws.String(endpoint)
	})
}

func newBucket(t *testing.T, endpoint string) (name string) {
	t.Helper()
	name = "bucket-" + strings.ToLower(rand.Text())
	if _, err := admin(endpoint).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return name
}

// inNewBucket makes a bucket and returns what opens it.
func inNewBucket(t *testing.T, p place) func(*testing.T) driver.Store {
	t.Helper()
	o := Options{Endpoint: p.endpoint, PathStyle: true, Staging: p.staging}
	name := newBucket(t, p.endpoint)
	return func(t *testing.T) driver.Store {
		t.Helper()
		s, err := Open(t.Context(), config(servers.MinIOAccessKey, canarySecret), name, &o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}
