package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/delivery/webhook"
)

// receiver is an endpoint that knows units by their names. rows stands for the bucket, in which it would read what a unit has.
type receiver struct {
	mu     sync.Mutex
	rows   map[string][]deliverytest.Row
	loaded map[string]bool
	seen   []int64
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var n webhook.Notice
	if err := json.NewDecoder(req.Body).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := r.rows[n.Unit]
	for i := range rows {
		if len(rows[i].Note) > 100 {
			http.Error(w, "note is too long", http.StatusUnprocessableEntity)
			return
		}
	}
	if r.loaded[n.Unit] {
		w.WriteHeader(http.StatusConflict)
		return
	}
	r.loaded[n.Unit] = true
	for i := range rows {
		r.seen = append(r.seen, rows[i].ID)
	}
}

// reading is a webhook whose receiver can read what it is told of.
type reading struct {
	delivery.Target
	to *receiver
}

func (t reading) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	var rows []deliverytest.Row
	for row, err := range delivery.Rows(ctx, u, deliverytest.Flow, delivery.JSONLines[deliverytest.Row]()) {
		if err != nil {
			return delivery.Result{}, err
		}
		rows = append(rows, row.Value)
	}
	t.to.mu.Lock()
	t.to.rows[u.ID] = rows
	t.to.mu.Unlock()
	return t.Target.Load(ctx, u)
}

func TestAWebhookWhoseReceiverKnowsNamesConforms(t *testing.T) {
	deliverytest.Run(t, deliverytest.Config{Refuses: true, Setup: func(t *testing.T) deliverytest.Storage {
		r := &receiver{rows: map[string][]deliverytest.Row{}, loaded: map[string]bool{}}
		server := httptest.NewServer(r)
		t.Cleanup(server.Close)
		return deliverytest.Storage{
			Open: func() (delivery.Target, error) {
				hook, err := webhook.New(server.URL+"/units", nil)
				return reading{hook, r}, err
			},
			Rows: func() ([]int64, error) {
				r.mu.Lock()
				defer r.mu.Unlock()
				return slices.Clone(r.seen), nil
			},
		}
	}})
}

var oneUnit = &delivery.Unit{ID: "hooked-3f0a-e17", Delivery: "hooked", Job: "etl", Attempt: 2}

func TestAWebhookTellsWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status  int
		loaded  bool
		refused bool
		access  bool
	}{
		{200, true, false, false},
		{204, true, false, false},
		{409, true, false, false},
		{422, false, true, false},
		{401, false, false, true},
		{403, false, false, true},
		{302, false, false, false},
		{400, false, false, false},
		{404, false, false, false},
		{429, false, false, false},
		{503, false, false, false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				return
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			fmt.Fprint(w, "the server's\x1b words", strings.Repeat(".", 10_000))
		}))
		hook, err := webhook.New(server.URL+"/?token=secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = hook.Load(t.Context(), oneUnit)
		if (err == nil) != c.loaded || errors.Is(err, delivery.ErrRefused) != c.refused || errors.Is(err, fs.ErrPermission) != c.access {
			t.Errorf("%d: got %v; want loaded %v, refused %v, no access %v", c.status, err, c.loaded, c.refused, c.access)
		}
		if err != nil && (!strings.Contains(err.Error(), "words") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 1000) {
			t.Errorf("%d: the error is %q; want the server's words, escaped and short, and no secret", c.status, err)
		}
		server.Close()
		if _, err := hook.Load(t.Context(), oneUnit); err == nil || errors.Is(err, delivery.ErrRefused) || strings.Contains(err.Error(), "secret") {
			t.Errorf("the server is gone: got %v, want an unknown outcome without the secret", err)
		}
	}
}

func TestAWebhookSignsItsRequests(t *testing.T) {
	secret := []byte("of both")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		for name, want := range map[string]string{
			"Onceflow-Signature": "sha256=" + hex.EncodeToString(mac.Sum(nil)), "Idempotency-Key": "hooked-3f0a-e17-a2", "Authorization": "Bearer x", "Content-Type": "application/json",
		} {
			if got := r.Header.Get(name); got != want {
				http.Error(w, fmt.Sprintf("%s is %q", name, got), http.StatusBadRequest)
			}
		}
	}))
	defer server.Close()
	hook, err := webhook.New(server.URL, &webhook.Options{Secret: secret, Header: func(context.Context) (http.Header, error) {
		return http.Header{"authorization": {"Bearer x"}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hook.Load(t.Context(), oneUnit); err != nil {
		t.Error(err)
	}
}

// A receiver that never answers must not hold the delivery for ever, and what it has done is not known.
func TestAWebhookWaitsForAnAnswerForSoLong(t *testing.T) {
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
	defer server.Close()
	defer close(silent)
	hook, err := webhook.New(server.URL, &webhook.Options{Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hook.Load(t.Context(), oneUnit); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a time-out", err)
	}
}

func TestAWebhookThatCannotWorkIsRefusedAtOnce(t *testing.T) {
	for _, address := range []string{"", "hooks.example", "ftp://hooks.example/", "https://", "https://user:secret@%zz/"} {
		if _, err := webhook.New(address, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want an error without the secret", address, err)
		}
	}
	if _, err := webhook.New("https://hooks.example/", &webhook.Options{Timeout: -1}); err == nil {
		t.Error("a negative Timeout is taken")
	}
}
