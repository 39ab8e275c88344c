package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
)

// names is a Target that knows units by their IDs. fail, if it is not nil, may return an error instead of loading a unit.
type names struct {
	fail func(u *delivery.Unit) error

	mu    sync.Mutex
	rows  []int64
	known map[string]bool
	loads []string // IDs in the order of the calls
}

func (n *names) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	var ids []int64
	for row, err := range delivery.Rows(ctx, u, deliverytest.Flow, delivery.JSONLines[deliverytest.Row]()) {
		if err != nil {
			return delivery.Result{}, err
		}
		ids = append(ids, row.Value.ID)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loads = append(n.loads, u.ID)
	if n.fail != nil {
		if err := n.fail(u); err != nil {
			return delivery.Result{}, err
		}
	}
	if n.known[u.ID] {
		return delivery.Result{Rows: u.Rows()}, nil
	}
	if n.known == nil {
		n.known = map[string]bool{}
	}
	n.known[u.ID] = true
	n.rows = append(n.rows, ids...)
	return delivery.Result{Rows: u.Rows()}, nil
}

func (n *names) want(t *testing.T, ids ...int64) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	got := slices.Sorted(slices.Values(n.rows))
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("the rows %d are there, want %d", got, ids)
	}
}

// upTo are the IDs from 1 to n.
func upTo(n int64) (ids []int64) {
	for id := range n {
		ids = append(ids, id+1)
	}
	return ids
}

var once = delivery.Options{Poll: -1}

func open(t *testing.T, store sink.Store, target delivery.Target, o delivery.Options) *delivery.Delivery {
	t.Helper()
	d, err := tryOpen(t, store, target, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tryOpen(t *testing.T, store sink.Store, target delivery.Target, o delivery.Options) (*delivery.Delivery, error) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))
	}
	return delivery.Open(deliverytest.Context(t.Context()), store, deliverytest.Name, "pg", target, &o)
}

func run(t *testing.T, d *delivery.Delivery) {
	t.Helper()
	if err := d.Run(deliverytest.Context(t.Context())); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

// commits commits n transactions of ten rows each.
func commits(job *deliverytest.Job, n int64) {
	for i := range n {
		job.Commit(deliverytest.Rows(10*i+1, 10*i+10)...)
	}
}

// logged collects lines of a logger.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logged) lines() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Split(bytes.TrimSpace(bytes.Clone(l.b.Bytes())), []byte("\n"))
}

var errAway = errors.New("connection refused")
