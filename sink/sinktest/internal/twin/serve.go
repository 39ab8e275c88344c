package twin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// Serve makes the calls that in tells, each in a goroutine, until in ends. failed is why there is no Store, if so.
func Serve(ctx context.Context, store storage.Store, failed error, in io.Reader, out io.Writer) error {
	s := &server{store: store, out: out, uploads: map[int]storage.Upload{}}
	var ready reply
	ready.fail(failed)
	s.send(&ready)
	var calls sync.WaitGroup
	defer calls.Wait()
	for d := json.NewDecoder(in); failed == nil; {
		var q request
		if err := d.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("twin: %w", err)
		}
		calls.Go(func() {
			r := reply{ID: q.ID}
			r.fail(s.do(ctx, &q, &r))
			s.send(&r)
		})
	}
	return nil
}

type server struct {
	store   storage.Store
	mu      sync.Mutex // of what follows
	out     io.Writer
	uploads map[int]storage.Upload
}

func (s *server) send(r *reply) {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings, numbers and times
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, "%s%s\n", mark, b) // who does not listen any more needs no reply
}

func (s *server) do(ctx context.Context, q *request, r *reply) (err error) {
	switch q.Op {
	case "create":
		return s.store.Create(ctx, q.Key, q.Body)
	case "read":
		r.Body, err = s.store.Read(ctx, q.Key, q.Limit)
		return err
	case "range":
		r.Body, err = s.store.ReadRange(ctx, q.Key, q.Offset, q.Limit)
		return err
	case "delete":
		return s.store.Delete(ctx, q.Key)
	case "open":
		rc, err := s.store.Open(ctx, q.Key)
		if err != nil {
			return err
		}
		r.Body, err = io.ReadAll(rc)
		return errors.Join(err, rc.Close())
	case "list":
		for o, err := range s.store.List(ctx, q.Key, q.After) {
			if err != nil {
				return err
			}
			r.Objects = append(r.Objects, o)
		}
		return nil
	case "now":
		r.Now, err = s.store.Now(ctx)
		return err
	case "publish":
		return s.store.Publish(ctx, q.Body)
	case "staged":
		for st, err := range s.store.Staged(ctx) {
			if err != nil {
				return err
			}
			r.Staged = append(r.Staged, st)
		}
		return nil
	case "discard":
		return s.store.Discard(ctx, q.Staging)
	case "fill":
		return fill(ctx, s.store, q, &r.Load)
	case "drain":
		return drain(ctx, s.store, q, &r.Load)
	}
	return s.upload(ctx, q, r)
}

func (s *server) upload(ctx context.Context, q *request, r *reply) (err error) {
	if q.Op == "stage" {
		up, err := s.store.Stage(ctx, q.Key, q.Owner, q.Most)
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		r.Upload = len(s.uploads) + 1
		s.uploads[r.Upload] = up
		return nil
	}
	s.mu.Lock()
	up := s.uploads[q.Upload]
	s.mu.Unlock()
	switch q.Op {
	case "write":
		_, err = up.Write(q.Body)
		clear(q.Body) // a Write must not retain it
		return err
	case "close":
		r.Body, err = up.Close(ctx)
		return err
	case "abort":
		return up.Abort(ctx)
	}
	return fmt.Errorf("twin: no call %q", q.Op)
}
