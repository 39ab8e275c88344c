package deduptest

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/stream/record"
)

// Options say which rules a store is not held to; nil is none.
type Options struct {
	// NoHolders is for a local store that does not keep which record holds an ID.
	NoHolders bool

	// Records is the number of claims of the longest case. Defaults to 20,000.
	Records int
}

// Run tests the stores that open returns, each with subtests of its own. A store that open returns must be empty, or
// hold nothing under the names that earlier calls used.
func Run(t *testing.T, open func(t *testing.T) dedup.Store, o *Options) {
	t.Helper()
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Records == 0 {
		opts.Records = 20_000
	}
	tab, err := openStore(t, open).Open(t.Context(), space("probe"))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	_, local := tab.(dedup.Refiller)
	if _, says := openStore(t, open).(dedup.Local); says != local {
		t.Errorf("the store says by dedup.Local that it is local: %v, its table by dedup.Refiller: %v", says, local)
	}
	if err := tab.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	cases := []struct {
		name string
		run  func(*testing.T, *suite)
		when bool
	}{
		{"FirstClaimWins", testFirstWins, true},
		{"ClaimsOfABatchAreInOrder", testBatchOrder, true},
		{"OwnClaimWinsAgain", testOwnClaim, !opts.NoHolders},
		{"ForceTakesTheID", testForce, true},
		{"ForceMovesTheHolder", testForceHolder, !opts.NoHolders},
		{"ExpireForgetsWholeBucketsOnly", testExpire, true},
		{"YearsApart", testYears, true},
		{"NamesAreApart", testNames, true},
		{"EqualsAMap", func(t *testing.T, s *suite) { testModel(t, s, opts.Records) }, true},
		{"OpenIsEmpty", testOpenEmpty, local},
		{"LanesAreApart", testLanes, local},
		{"RefillKeepsTheNewestTime", testRefill, local},
		{"HandlesShareTheTable", testHandles, !local},
		{"OneWinnerAmongManyHandles", testRace, !local},
		{"AnOlderClockExpiresNothingMore", testOldClock, !local},
		{"TheWindowMayChange", testWindowChanges, !local},
	}
	for _, c := range cases {
		if c.when {
			t.Run(c.name, func(t *testing.T) {
				c.run(t, &suite{store: openStore(t, open), local: local, noHolders: opts.NoHolders})
			})
		}
	}
}

func openStore(t *testing.T, open func(*testing.T) dedup.Store) dedup.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close of the store: %v", err)
		}
	})
	return s
}

type suite struct {
	store            dedup.Store
	local, noHolders bool
}

func space(name string) dedup.Space {
	return dedup.Space{Name: name, Lane: "lane/0", Window: 24 * time.Hour, Bucket: time.Hour}
}

func (s *suite) open(t *testing.T, sp dedup.Space) *table {
	t.Helper()
	tab, err := s.store.Open(t.Context(), sp)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	h := &table{t: t, Table: tab}
	t.Cleanup(h.close)
	return h
}

// table fails the test at an error.
type table struct {
	dedup.Table
	t      *testing.T
	closed bool
}

func (h *table) close() {
	if h.closed {
		return
	}
	h.closed = true
	if err := h.Close(); err != nil {
		h.t.Errorf("Close: %v", err)
	}
}

// claim makes one claim and returns whether it was won.
func (h *table) claim(id int, at time.Time, by int64) bool {
	h.t.Helper()
	return h.batch(claim(id, at, by))[0]
}

func (h *table) batch(c ...dedup.Claim) []bool {
	h.t.Helper()
	won := make([]bool, len(c))
	if err := h.Claim(h.t.Context(), c, won); err != nil {
		h.t.Fatalf("Claim: %v", err)
	}
	return won
}

func (h *table) refill(c ...dedup.Claim) []bool {
	h.t.Helper()
	won := make([]bool, len(c))
	if err := h.Table.(dedup.Refiller).Refill(h.t.Context(), c, won); err != nil {
		h.t.Fatalf("Refill: %v", err)
	}
	return won
}

func (h *table) expire(at time.Time) {
	h.t.Helper()
	if err := h.Expire(h.t.Context(), at); err != nil {
		h.t.Fatalf("Expire: %v", err)
	}
}

var partition = &record.Partition{Source: "topic", Epoch: "1", ID: "0"}

// claim is a claim of ID number id by the record at offset by.
func claim(id int, at time.Time, by int64) dedup.Claim {
	return dedup.Claim{ID: dedup.Hash(fmt.Sprint(id)), Time: at, By: holder(by)}
}

func holder(by int64) dedup.Holder {
	return dedup.Holder{Partition: partition, Position: record.Position{Sub: by}}
}

func force(c dedup.Claim) dedup.Claim {
	c.Force = true
	return c
}

// start is the beginning of a bucket. It is near the present, so that a time to live has not run out.
func start() time.Time { return time.Now().UTC().Truncate(time.Hour).Add(-24 * time.Hour) }

func key(c dedup.Claim) uint64 { return binary.LittleEndian.Uint64(c.ID[:8]) }
