package example_test

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"slices"
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

// Other programs put what they like into a bucket. A listing once gave their names to the sink.
func TestNamesThatAreNoKeysAreNotListed(t *testing.T) {
	server := httptest.NewServer(example.NewServer("bucket", token))
	defer server.Close()
	s := &example.Store{URL: server.URL + "/bucket", Token: token, Client: server.Client(), Timeout: time.Minute, Page: 2}
	for _, key := range []string{"a", "b"} {
		if err := s.Create(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/bucket/data/a%20b", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Sum", "00000000")
	if res, err := server.Client().Do(req); err != nil || res.Body.Close() != nil || res.StatusCode >= 300 {
		t.Fatalf("put another program's object: %+v, %v", res, err)
	}
	var got []string
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("listed %q, want a and b alone", got)
	}
}
