package example_test

import (
	"cmp"
	"net/http"
	"net/http/httptest"
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
		Page: 5,
	})
}
