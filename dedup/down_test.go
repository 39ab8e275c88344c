package dedup_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// outage is a job over a log of 3,000 records, each ID twice, whose store of IDs can be down.
type outage struct {
	store  *shared
	source *streamtest.Source
	ledger *streamtest.Ledger[hit]
	log    *streamtest.Log
	stats  dedup.Stats
	status atomic.Pointer[stream.Status]
	ended  chan error
}

const (
	outageRecords = 3000 // of 100 bytes
	outageMemory  = 64 << 10
)

func newOutage(t *testing.T) *outage {
	j := &outage{store: newShared(), log: streamtest.NewLog(1), ledger: streamtest.NewLedger[hit](t)}
	j.ledger.Lateness = -1
	for i := range outageRecords {
		j.log.Append(0, 0, t0, fmt.Sprintf("%d %s", i/2, strings.Repeat("x", 100)))
	}
	j.log.EndAll()
	return j
}

func (j *outage) run(t *testing.T) {
	j.source, j.ended = j.log.Source(nil), make(chan error, 1)
	parse := func(r *record.Record) (h hit, err error) {
		_, err = fmt.Sscan(string(r.Value), &h.ID)
		return h, err
	}
	p := stream.Via(stream.From(j.source), stream.Decode(parse, func(*hit) time.Time { return t0 }))
	p = stream.Via(p, dedup.ByID(j.store, (*hit).id, &dedup.Options{Patience: time.Minute, Stats: &j.stats}))
	opts := &stream.Options{
		CommitEvery: time.Second, Memory: outageMemory, Future: 1 << 62, Observe: func(s stream.Status) { j.status.Store(&s) },
	}
	go func() { j.ended <- stream.Run(t.Context(), p, j.ledger.Output(), opts) }()
}

// mustWait checks what the job does while the store is down: nothing, loudly, and it reads no more than fits.
func (j *outage) mustWait(t *testing.T) {
	t.Helper()
	time.Sleep(50 * time.Second) //nolint:forbidigo // the clock of the bubble
	synctest.Wait()
	if err := j.stats.Failing(); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Failing is %v, want the store's error", err)
	}
	if n := j.status.Load().Bytes; len(j.source.Paused()) == 0 || n == 0 || n > 2*outageMemory {
		t.Errorf("lanes %v are paused with %d bytes in flight, want one and some, at most %d", j.source.Paused(), n, 2*outageMemory)
	}
	if n, m := len(j.ledger.Rows()), len(j.store.held); n+m > 0 {
		t.Errorf("%d rows were written and %d IDs marked, want none", n, m)
	}
}

func (j *outage) mustEndWell(t *testing.T) {
	t.Helper()
	if err := <-j.ended; err != nil {
		t.Fatalf("Run: %v", err)
	}
	var ids []string
	for _, h := range j.ledger.Values() {
		ids = append(ids, h.ID)
	}
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); len(ids) != outageRecords/2 || n != len(ids) {
		t.Errorf("%d rows with %d IDs, want %d of each", len(ids), n, outageRecords/2)
	}
	if got := j.ledger.Counts()[record.Duplicate]; got != outageRecords/2 {
		t.Errorf("%d duplicates, want %d", got, outageRecords/2)
	}
}

func TestAStoreThatIsDownPausesTheJobUntilItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newOutage(t)
		j.store.fail(errors.New("connection refused"))
		j.run(t)
		j.mustWait(t)
		j.store.fail(nil)
		j.mustEndWell(t)
		if j.stats.Failing() != nil {
			t.Errorf("Failing is %v though the store works", j.stats.Failing())
		}
	})
}

func TestAStoreThatStaysDownStopsTheJobAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newOutage(t)
		j.store.fail(errors.New("connection refused"))
		j.run(t)
		j.mustWait(t)
		if err := <-j.ended; err == nil || !strings.Contains(err.Error(), "failing for more than 1m0s: connection refused") {
			t.Fatalf("Run: %v, want an error that says for how long and why", err)
		}
		j.store.fail(nil)
		j.run(t)
		j.mustEndWell(t)
	})
}
