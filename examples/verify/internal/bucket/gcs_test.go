package bucket

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const prefix = "team/"

func TestStagedObjectsOfGCSAreFoundByTheirMetadata(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.URL.Query().Get("prefix"), prefix+gcsStaging; got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
		_, _ = io.WriteString(w, `{"items":[{"name":"team/_staging/now","size":"0"},{"name":"team/_staging/x/o1-1","size":"4","metadata":{"onceflow-key":"all/o1-1"}}]}`)
	}))
	defer s.Close()
	b := OpenGCS(s.URL, "bucket", prefix)
	for key, want := range map[string]bool{"all/o1-1": true, "all/o1-2": false, "": false} {
		if got, err := b.Staged(t.Context(), key); got != want || err != nil {
			t.Errorf("%q: staged %v, %v, want %v", key, got, err, want)
		}
	}
}

// An answer of a service that stumbles is asked for again; one that says no is not, and the token is in neither error.
func TestTheServiceIsAskedAgainIfItStumbles(t *testing.T) {
	const canary = "ya29.canary"
	t.Setenv("GOOGLE_OAUTH_ACCESS_TOKEN", canary)
	var asked []string
	status := []int{http.StatusServiceUnavailable, http.StatusOK, http.StatusForbidden}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization")+" "+r.URL.EscapedPath())
		w.WriteHeader(status[len(asked)-1])
		_, _ = io.WriteString(w, "body")
	}))
	defer s.Close()
	b := OpenGCS(s.URL, "bucket", "team/")
	if got, err := Read(t.Context(), b, "a/b c", 100); string(got) != "body" || err != nil {
		t.Errorf("got %q, %v after a 503, want the body", got, err)
	}
	if _, err := Read(t.Context(), b, "a/b c", 100); err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("a refusal: %v, want an error that says so without the token", err)
	}
	for i, got := range asked {
		if want := "Bearer " + canary + " /storage/v1/b/bucket/o/team%2Fa%2Fb%20c"; got != want {
			t.Errorf("request %d: got %q, want %q", i, got, want)
		}
	}
	if len(asked) != len(status) {
		t.Errorf("%d requests, want %d", len(asked), len(status))
	}
}

func TestAMachinesTokenIsKeptWhileItIsValid(t *testing.T) {
	asked, valid := 0, "3600"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Metadata-Flavor") != "Google" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, `{"access_token":"t`+valid+`","expires_in":`+valid+`}`)
	}))
	m := &machineToken{url: s.URL}
	get := func(want string, times int) {
		t.Helper()
		if got, err := m.get(context.Background()); got != want || err != nil || asked != times {
			t.Errorf("got %q, %v after %d requests, want %q after %d", got, err, asked, want, times)
		}
	}
	get("t3600", 1)
	get("t3600", 1)
	m.until, valid = time.Now().Add(time.Minute), "1800"
	get("t1800", 2)
	s.Close()
	m.until = time.Time{}
	if _, err := m.get(context.Background()); err == nil || !strings.Contains(err.Error(), "set $GOOGLE_OAUTH_ACCESS_TOKEN") {
		t.Errorf("without a metadata server: %v", err)
	}
}
