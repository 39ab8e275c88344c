package sink_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// paging counts requests as a store makes them that lists 1,000 objects in each.
type paging struct {
	sink.Store
	mu           sync.Mutex
	lists, reads int
}

func (p *paging) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	p.mu.Lock()
	p.reads++
	p.mu.Unlock()
	return p.Store.Read(ctx, key, limit)
}

func (p *paging) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		p.mu.Lock()
		p.lists++
		p.mu.Unlock()
		n := 0
		for o, err := range p.Store.List(ctx, prefix, after) {
			if n++; n > 1000 {
				p.mu.Lock()
				p.lists++
				p.mu.Unlock()
				n = 1
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// After a year an open once listed all snapshots there were, 164 requests one after the other.
func TestOpenFindsTheLastSnapshotInFewRequests(t *testing.T) {
	const root, every = "_onceflow/job/e0001/", ledger.SnapshotEvery
	for _, c := range []struct {
		snapshots      uint64
		missing        func(n uint64) bool // no snapshot was written of the n-th
		bad            uint64              // of the last ones
		want           uint64              // the n-th is found
		listed, others int                 // requests at most, beside the genesis and what follows the snapshot
	}{
		{snapshots: 0, want: 0, listed: 1},
		{snapshots: 1, want: 1, listed: 1, others: 1},
		{snapshots: 999, want: 999, listed: 1, others: 1},
		{snapshots: 1000, want: 1000, listed: 3, others: 1},
		{snapshots: 1001, want: 1001, listed: 3, others: 1},
		{snapshots: 2000, want: 2000, listed: 4, others: 1},
		{snapshots: 31_250, want: 31_250, listed: 12, others: 1}, // 2 million entries: 4 years of one a minute
		{snapshots: 31_250, bad: 3, want: 31_247, listed: 12, others: 4},
		{snapshots: 31_250, missing: func(n uint64) bool { return n > 3 && n < 31_000 }, want: 31_250, listed: 12, others: 1},
		{snapshots: 31_250, missing: func(n uint64) bool { return n > 3 && n < 31_250 }, bad: 1, want: 3, listed: 12, others: 2},
		{snapshots: 31_250, missing: func(n uint64) bool { return n < 31_250 }, bad: 1, want: 0, listed: 12, others: 1},
	} {
		t.Run(fmt.Sprintf("%d snapshots, %d bad", c.snapshots, c.bad), func(t *testing.T) {
			store, _ := memory(noon)
			open(t, store, nil, nil, rowsFlow("rows"))
			for _, key := range keys(t, store, root+ledger.EntryPrefix) {
				store.Lose(key) // an open reads on from the snapshot, and there is to be nothing
			}
			body, err := store.Read(t.Context(), root+ledger.GenesisName, ledger.MaxGenesis)
			if err != nil {
				t.Fatal(err)
			}
			g, err := ledger.DecodeGenesis(body)
			if err != nil {
				t.Fatal(err)
			}
			s := ledger.NewState(*g, ledger.HashOf(body))
			for n := uint64(1); n <= c.snapshots; n++ {
				body := []byte("damaged")
				if n+100 > c.snapshots && n+c.bad <= c.snapshots || n <= 3 {
					s.Last = n * every
					if body, err = s.Encode(); err != nil {
						t.Fatal(err)
					}
				}
				if c.missing == nil || !c.missing(n) {
					store.Overwrite(root+ledger.SnapshotName(n*every), body)
				}
			}
			counted := &paging{Store: store}
			state, err := sink.Inspect(t.Context(), counted, "job", nil)
			last := uint64(0)
			if lost, ok := errors.AsType[*ledger.LostError](err); ok && c.bad > 0 {
				last = lost.Last // the entries up to the bad ones are missing here
			} else if err != nil {
				t.Fatal(err)
			} else {
				last = state.Entry
			}
			if last != c.want*every {
				t.Errorf("it goes on from entry %d, want %d", last, c.want*every)
			}
			// What is beyond the end takes a list of each of five kinds, and the next entry is looked for once more.
			if lists, reads := counted.lists-5, counted.reads-3; lists > c.listed || reads > c.others {
				t.Errorf("%d requests that list and %d that read snapshots, want at most %d and %d", lists, reads, c.listed, c.others)
			}
		})
	}
}
