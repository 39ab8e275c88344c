package gcs

import (
	"cmp"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
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
		Put: func(t *testing.T, at sinktest.Place, name string, body []byte) error {
			w := client(t, at).Bucket(at.Name).Object("team/" + name).NewWriter(t.Context())
			_, err := w.Write(body)
			return errors.Join(err, w.Close())
		},
		Bytes: func(t *testing.T, at sinktest.Place) (n int64, err error) {
			for all := client(t, at).Bucket(at.Name).Objects(t.Context(), nil); ; {
				o, err := all.Next()
				if errors.Is(err, iterator.Done) {
					return n, nil
				} else if err != nil {
					return 0, err
				}
				n += o.Size
			}
		},
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
