package azure

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func randomName() string { return "c-" + strings.ToLower(rand.Text()) }

func TestConformance(t *testing.T) {
	sinktest.Run(t, sinktest.Config{
		Setup: func(t *testing.T) sinktest.Place {
			at, err := url.Parse(newContainer(t, shared.Azurite(t).Endpoint()))
			if err != nil {
				t.Fatal(err)
			}
			return sinktest.Place{Server: at.Scheme + "://" + at.Host, Name: strings.TrimPrefix(at.Path, "/")}
		},
		Open: func(t *testing.T, at sinktest.Place) (driver.Store, error) {
			return Open(t.Context(), at.Server+"/"+at.Name, &Options{SharedKey: key(t), Timeout: cmp.Or(at.Timeout, 20*time.Second), Attempts: 3})
		},
		Secrets: []string{servers.AzuriteKey},
		Put: func(t *testing.T, at sinktest.Place, name string, body []byte) error {
			if strings.ContainsAny(name, "\x01\x1f\ufffe") {
				return errors.ErrUnsupported // XML has no form for it: the service encodes such a name, Azurite fails at each listing
			}
			_, err := others(t, at).NewBlockBlobClient(name).UploadBuffer(t.Context(), body, nil)
			return err
		},
		Bytes: func(t *testing.T, at sinktest.Place) (n int64, err error) {
			pages := others(t, at).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{UncommittedBlobs: true}})
			for pages.More() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					return 0, err
				}
				for _, item := range page.Segment.BlobItems {
					n += *item.Properties.ContentLength
				}
			}
			return n, nil
		},
	})
}

// others is the container as other programs have it.
func others(t *testing.T, at sinktest.Place) *container.Client {
	t.Helper()
	c, err := container.NewClientWithSharedKeyCredential(at.Server+"/"+at.Name, key(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signed returns the URL of a container with a signature that allows what the package comment asks for.
func signed(t *testing.T, at string, life time.Duration) (full, signature string) {
	t.Helper()
	c, err := container.NewClientWithSharedKeyCredential(at, key(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err = c.GetSASURL(sas.ContainerPermissions{Read: true, Create: true, Write: true, Delete: true, List: true}, time.Now().Add(life), nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(full)
	if err != nil {
		t.Fatal(err)
	}
	return full, u.Query().Get("sig")
}

// With a signature for the container alone, files are staged, listed, published and read.
func TestASignatureForTheContainerIsEnough(t *testing.T) {
	full, _ := signed(t, newContainer(t, shared.Azurite(t).Endpoint()), time.Hour)
	s := open(t, full, &Options{Prefix: "team/"})
	if err := s.Create(t.Context(), "a", []byte("mine")); err != nil {
		t.Error(err)
	}
	ref := stage(t, s, "own-1", []byte("rows"))
	for st, err := range s.Staged(t.Context()) {
		if err != nil || st.Key != "own-1" || st.Owner != "own" || st.Bytes != 4 {
			t.Errorf("staged: %+v, %v", st, err)
		}
	}
	if err := s.Publish(t.Context(), ref); err != nil {
		t.Error(err)
	}
	var got []string
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	if strings.Join(got, " ") != "a own-1" {
		t.Errorf("listed %q, want a and own-1", got)
	}
}
