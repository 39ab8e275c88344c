package azure

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
)

// serve is a service of our own.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// lines is a log that several goroutines write.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func wantNoSecret(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if strings.Contains(text, form) {
				t.Errorf("%s has the secret %q: %s", where, form, text)
			}
		}
	}
}

// A whole job on a URL with a signature tells it nowhere: not in any object, name, line of its log or status.
func TestNothingThatAJobLeavesHasItsSecret(t *testing.T) {
	full, signature := signed(t, newContainer(t, shared.Azurite(t).Endpoint()), time.Hour)
	s := open(t, full, &Options{})
	in := t.TempDir()
	write(t, in+"/a.txt", 0, 3000)
	var log, told lines
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := &stream.Options{CommitEvery: 20 * time.Millisecond, Logger: logger, Observe: func(st stream.Status) { fmt.Fprintf(&told, "%+v\n", st) }}
	if err := run(t.Context(), s, in, o); err != nil {
		t.Fatal(err)
	}
	left := map[string]string{"log": log.String(), "status": told.String(), "store": fmt.Sprintf("%v %+v %#v", s, s.box, s.box.opts)}
	for obj, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := s.Read(t.Context(), obj.Key, obj.Size)
		if err != nil {
			t.Fatal(err)
		}
		left[obj.Key] = obj.Key + string(body)
	}
	if len(left) < 8 || !strings.Contains(left["log"], "msg=commit") {
		t.Fatalf("%d places, and a log of %d bytes, show nothing", len(left), len(left["log"]))
	}
	for where, text := range left {
		wantNoSecret(t, where, text, signature)
	}
	keyed := open(t, newContainer(t, shared.Azurite(t).Endpoint()), &Options{})
	wantNoSecret(t, "a store with a key", fmt.Sprintf("%v %+v %#v", keyed, keyed.box, keyed.box.opts), servers.AzuriteKey)
}

// Errors have no signature in them, whether nobody answers, the answer breaks off, the signature is over, or the service repeats
// what it was sent.
func TestErrorsHaveNoSecret(t *testing.T) {
	const signature = "canary+Xy7/sig="
	query := "/c?sv=2025-01-05&sr=c&sp=rcwdl&sig=" + url.QueryEscape(signature)
	silent := httptest.NewServer(http.NotFoundHandler())
	silent.Close()
	repeats := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if opOf(r) == "Look" { // so that it is opened, since answers to HEAD have no words
			w.Header().Set("x-ms-error-code", "BlobNotFound")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("x-ms-error-code", "InvalidHeaderValue")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<Error><Code>InvalidHeaderValue</Code><Message>%s %s %s</Message></Error>", strings.ReplaceAll(r.URL.String(), "&", "&amp;"), signature,
			strings.ReplaceAll(r.Header.Get("x-ms-copy-source"), "&", "&amp;"))
	})
	breaks := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for name, at := range map[string]string{"nobody": silent.URL, "repeats": repeats, "breaks off": breaks, "no URL": "http://[::1%", "no container": repeats + "?x=1&sig="} {
		full := at + query
		if name == "no container" {
			full = at + url.QueryEscape(signature)
		}
		var log lines
		s, err := Open(t.Context(), full, &Options{Attempts: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil && name == "repeats" {
			_, err = s.Read(t.Context(), "a", 1)
		}
		if err == nil || name == "repeats" && (!strings.Contains(err.Error(), "REDACTED") || !strings.Contains(log.String(), "REDACTED")) {
			t.Errorf("%s: %v, log %q, want an error that is not empty of words", name, err, log.String())
		}
		t.Logf("%s: %v", name, err)
		wantNoSecret(t, name, fmt.Sprintf("%v %+v %#v %s", err, err, err, log.String()), signature)
	}
	full, over := signed(t, newContainer(t, shared.Azurite(t).Endpoint()), -time.Minute)
	_, err := Open(t.Context(), full, nil)
	if err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("a signature that is over: %v", err)
	}
	wantNoSecret(t, "a signature that is over", fmt.Sprint(err), over)
}

// What the service reads the staged file with is in no error either: with a key it is a signature that we make, with a token
// the token.
func TestErrorsOfCopiesHaveNoSecret(t *testing.T) {
	var asked lines
	s, f := inContainer(t, Options{Attempts: 1}, nil)
	ref := stage(t, s, "own-1-1", []byte("rows"))
	f.reset(func(_ int, op string) sinktest.Fault { return answer(403, "CannotVerifyCopySource") })
	err := s.Publish(t.Context(), ref)
	f.reset(func(int, string) sinktest.Fault { return sinktest.Fault{Kind: sinktest.HangUp} })
	gone := s.Publish(t.Context(), ref)
	for _, err := range []error{err, gone} {
		if err == nil || strings.Contains(err.Error(), "sig=") && !strings.Contains(err.Error(), "sig=REDACTED") {
			t.Errorf("publish: %v, want an error without a signature", err)
		}
	}
	const token = "canary-Xy7-token"
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(&asked, opOf(r), r.Header.Get("x-ms-copy-source"), r.Header.Get("x-ms-copy-source-authorization"))
		switch opOf(r) {
		case "Look":
			w.Header().Set("x-ms-error-code", "BlobNotFound")
			w.WriteHeader(http.StatusNotFound)
		case "Copy":
			w.Header().Set("x-ms-error-code", "InvalidHeaderValue")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "<Error><Code>InvalidHeaderValue</Code><Message>%s</Message></Error>", r.Header.Get("x-ms-copy-source-authorization"))
		case "PutBlob":
			w.Header().Set("ETag", `"1"`)
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer service.Close()
	s, err = Open(t.Context(), service.URL+"/c", &Options{Attempts: 1, Token: tokens(token), HTTP: service.Client()})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Publish(t.Context(), stage(t, s, "own-1-1", []byte("rows")))
	if err == nil || !strings.Contains(asked.String(), "/c/_staging%2Fown-") || !strings.Contains(asked.String(), "Bearer "+token) {
		t.Errorf("publish: %v, of these requests: %s", err, asked.String())
	}
	wantNoSecret(t, "the error", fmt.Sprintf("%v %+v", err, s.box), token)
}

type tokens string

func (s tokens) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}
