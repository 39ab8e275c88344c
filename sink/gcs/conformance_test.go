package gcs

import (
	"cmp"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestConformance(t *testing.T) {
	sinktest.Run(t, sinktest.Config{
		Setup: func(t *testing.T) sinktest.Place {
			at := sinktest.Place{Server: servertest.GCS(t, nil).Endpoint(), Name: "bucket-" + strings.ToLower(rand.Text())}
			if err := client(t, at).Bucket(at.Name).Create(t.Context(), "project", nil); err != nil {
				t.Fatal(err)
			}
			return at
		},
		Open: func(t *testing.T, at sinktest.Place) (driver.Store, error) {
			o := &Options{Client: client(t, at), Prefix: "team/", Timeout: cmp.Or(at.Timeout, 20*time.Second), Attempts: 3, ChunkBytes: 256 << 10}
			s, err := Open(t.Context(), at.Name, o)
			if err != nil {
				return nil, err
			}
			s.page = 7
			return s, nil
		},
		Page: 7,
	})
}

func client(t *testing.T, at sinktest.Place) *storage.Client {
	t.Helper()
	c, err := storage.NewClient(t.Context(), option.WithEndpoint(at.Server+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
