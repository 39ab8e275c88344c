package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

// What an endpoint takes.
const (
	mostBody     = 4 << 20  // bytes of a request
	mostLine     = 64 << 10 // bytes of a line
	mostRequests = 1024     // at once; each has a body in memory
	graceful     = 30 * time.Second
)

// endpoint takes events by HTTP. It answers 200 once they are kept and registered. With 400 and 413 nothing is accepted and nothing
// ever will be; with 429 nothing is accepted, and the client may try again. After any other answer, or none, it is unknown: a
// client sends the same events again, and dedup drops one copy.
type endpoint struct {
	batcher  *audit.Batcher
	lines    int // of a request at most
	requests chan struct{}
	listener net.Listener
}

func openEndpoint(ctx context.Context, o *options, p *parts) (*endpoint, error) {
	e := &endpoint{lines: o.batch, requests: make(chan struct{}, mostRequests)}
	var err error
	e.batcher, err = audit.OpenBatcher(ctx, p.folder, p.registry, p.send, &audit.BatcherOptions{
		Lines: o.batch, Bytes: mostBody, Age: o.age, Patience: o.deadline / 3, Logger: o.logger(),
	})
	if err != nil {
		return nil, err
	}
	e.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	return e, err
}

func (e *endpoint) addr() string { return e.listener.Addr().String() }

// serve takes requests until ctx ends. Then it answers those that are under way, and sends what is accepted.
func (e *endpoint) serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /events", e.take)
	mux.HandleFunc("GET /metrics", e.metrics)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(e.listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceful)
	defer cancel()
	return errors.Join(server.Shutdown(ending), e.batcher.Close(ending))
}

func (e *endpoint) take(w http.ResponseWriter, r *http.Request) {
	select {
	case e.requests <- struct{}{}:
		defer func() { <-e.requests }()
	default:
		later(w)
		return
	}
	b := bodies.Get().(*body)
	defer bodies.Put(b)
	if err := b.read(http.MaxBytesReader(w, r.Body, mostBody)); err != nil {
		refuse(w, err)
		return
	}
	if err := b.parse(e.lines); err != nil {
		refuse(w, err)
		return
	}
	receipt, err := e.batcher.Add(r.Context(), b.events)
	switch {
	case errors.Is(err, audit.ErrBusy):
		later(w)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(receipt) // a client that has gone sends it again
	}
}

// later is back-pressure.
func later(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "too many events wait", http.StatusTooManyRequests)
}

func refuse(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) || errors.Is(err, errTooLarge) {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func (e *endpoint) metrics(w http.ResponseWriter, _ *http.Request) {
	s := e.batcher.Stats()
	fmt.Fprintf(w, "ingest_batches_total %d\ningest_lines_total %d\ningest_failed_batches_total %d\ningest_unsent_batches_total %d\n",
		s.Batches, s.Lines, s.Failed, s.Unsent)
}
