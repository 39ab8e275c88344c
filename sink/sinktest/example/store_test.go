package example_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/sink/sinktest/example"
)

const token = "canary-token"

func TestConformance(t *testing.T) {
	sinktest.Run(t, sinktest.Config{
		Setup: func(t *testing.T) sinktest.Place {
			server := httptest.NewServer(example.NewServer("bucket", token))
			t.Cleanup(server.Close)
			return sinktest.Place{Server: server.URL, Name: "bucket"}
		},
		Open: func(_ *testing.T, at sinktest.Place) (sink.Store, error) {
			s := &example.Store{URL: at.Server + "/" + at.Name, Token: token, Timeout: cmp.Or(at.Timeout, 20*time.Second), Page: 5}
			s.Client = &http.Client{Transport: &http.Transport{}}
			return s, nil
		},
		Page:  5,
		Put:   put,
		Bytes: size,
	})
}

// others reads or writes the bucket as another program does.
func others(t *testing.T, method, url string, body []byte) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Sum", fmt.Sprintf("%08x", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return nil, errors.New(res.Status)
	}
	return io.ReadAll(res.Body)
}

func put(t *testing.T, at sinktest.Place, name string, body []byte) error {
	t.Helper()
	_, err := others(t, http.MethodPut, at.Server+(&url.URL{Path: "/" + at.Name + "/data/" + name}).String(), body)
	return err
}

func size(t *testing.T, at sinktest.Place) (n int64, err error) {
	t.Helper()
	text, err := others(t, http.MethodGet, at.Server+"/"+at.Name+"?max=1000000", nil)
	if err != nil {
		return 0, err
	}
	var list struct{ Objects []struct{ Size int64 } }
	err = json.Unmarshal(text, &list)
	for _, o := range list.Objects {
		n += o.Size
	}
	return n, err
}
