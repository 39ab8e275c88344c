package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

// What an endpoint takes.
const (
	mostBody   = 4 << 20   // bytes of a request
	mostLine   = 64 << 10  // bytes of a line
	mostBodies = 128 << 20 // bytes of memory for all bodies that are under way
	mostConns  = 2048      // at once; each has some 20 KiB, and mostHeader
	mostHeader = 16 << 10
	bodyTime   = 30 * time.Second // in which a request must have come
	graceful   = 30 * time.Second
)

// endpoint takes events by HTTP. It answers 200 once they are kept and registered. With 400 and 413 nothing is accepted and nothing
// ever will be; with 408 and 429 nothing is accepted, and the client may try again. After any other answer, or none, it is unknown:
// a client sends the same events again, and dedup drops one copy.
type endpoint struct {
	batcher  *audit.Batcher
	lines    int // of a request at most
	bodies   *budget
	bodyTime time.Duration
	listener net.Listener
}

func openEndpoint(ctx context.Context, o *options, p *parts) (*endpoint, error) {
	e := &endpoint{lines: o.batch, bodies: newBudget(mostBodies), bodyTime: bodyTime}
	var err error
	e.batcher, err = audit.OpenBatcher(ctx, p.folder, p.registry, p.send, &audit.BatcherOptions{
		Lines: o.batch, Bytes: 2 * mostBody, // IDs count twice, as keys
		Age: o.age, Patience: o.deadline / 3, Logger: o.logger(),
	})
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmp.Or(o.listen, listen))
	if err != nil {
		return nil, err
	}
	e.listener = limit(l, mostConns)
	return e, nil
}

func (e *endpoint) addr() string { return e.listener.Addr().String() }

// serve takes requests until ctx ends. Then it answers those that are under way, and sends what is accepted.
func (e *endpoint) serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /events", e.take)
	mux.HandleFunc("GET /metrics", e.metrics)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: e.bodyTime, IdleTimeout: time.Minute, MaxHeaderBytes: mostHeader}
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
	b := newBody(e.bodies)
	if b == nil {
		e.refuse(w, errNoRoom)
		return
	}
	defer b.free()
	if r.ContentLength > mostBody {
		e.refuse(w, bodyTooLarge(fmt.Sprintf("%d bytes, more than", r.ContentLength)))
		return
	}
	err := b.read(http.MaxBytesReader(w, r.Body, mostBody))
	if err == nil {
		err = b.parse(e.lines, time.Now())
	}
	if err != nil {
		e.refuse(w, err)
		return
	}
	receipt, err := e.batcher.Add(r.Context(), b.events)
	switch {
	case errors.Is(err, audit.ErrBusy):
		later(w, err)
	case errors.Is(err, fs.ErrInvalid): // it fits into no batch
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(receipt) // a client that has gone sends it again
	}
}

// later is back-pressure.
func later(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, err.Error(), http.StatusTooManyRequests)
}

// refuse answers what is wrong with a body.
func (e *endpoint) refuse(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, errNoRoom):
		later(w, err)
	case errors.As(err, &large):
		http.Error(w, bodyTooLarge("more than").Error(), http.StatusRequestEntityTooLarge)
	case errors.Is(err, errTooLarge):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		http.Error(w, fmt.Sprintf("the body did not come within %s; nothing is accepted", e.bodyTime), http.StatusRequestTimeout)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (e *endpoint) metrics(w http.ResponseWriter, _ *http.Request) {
	s := e.batcher.Stats()
	fmt.Fprintf(w, "ingest_batches_total %d\ningest_lines_total %d\ningest_failed_batches_total %d\ningest_unsent_batches_total %d\ningest_refused_lines_total %d\ningest_body_bytes %d\n",
		s.Batches, s.Lines, s.Failed, s.Unsent, s.Refused, e.bodies.used.Load())
}
