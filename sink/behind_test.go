package sink_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// keptApart is what a source keeps of what it was told, by signature.
type keptApart struct {
	mu   sync.Mutex
	told map[string]map[record.Partition]record.Position
	asks int
	err  error
}

// witness is a source with it.
type witness struct {
	*streamtest.Source
	kept *keptApart
	sign string
}

func (w *witness) Begin(_ context.Context, l driver.Ledger) error {
	w.sign = l.Signature
	return nil
}

func (w *witness) Finish([]string) {}

func (w *witness) Ack(_ context.Context, upTo map[record.Partition]record.Position) error {
	w.kept.mu.Lock()
	defer w.kept.mu.Unlock()
	if w.kept.told[w.sign] == nil {
		w.kept.told[w.sign] = map[record.Partition]record.Position{}
	}
	for p, at := range upTo {
		w.kept.told[w.sign][p] = at
	}
	return nil
}

func (w *witness) Acked(_ context.Context, parts []record.Partition) (map[record.Partition]record.Position, error) {
	w.kept.mu.Lock()
	defer w.kept.mu.Unlock()
	w.kept.asks++
	out := map[record.Partition]record.Position{}
	for _, p := range parts {
		if at, ok := w.kept.told[w.sign][p]; ok {
			out[p] = at
		}
	}
	return out, w.kept.err
}

func (k *keptApart) run(t *testing.T, store sink.Store) error {
	t.Helper()
	out, err := sink.Open(t.Context(), store, "etl", []sink.Flow[Hit]{{Name: "views", Format: format.JSONLines[Hit]()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := &witness{Source: hitLog().Source(nil), kept: k}
	return stream.Run(t.Context(), stream.Via(stream.From(src), stream.Decode(parseHit, (*Hit).EventTime)), out, nil)
}

// A folder that is restored to an earlier moment as a whole leaves no trace in itself. The job once went on from there, and
// what it had published was made again without a word.
func TestALedgerBehindWhatTheSourceWasToldIsRefused(t *testing.T) {
	kept := &keptApart{told: map[string]map[record.Partition]record.Position{}}
	store := sinktest.NewMemory()
	if err := kept.run(t, store); err != nil {
		t.Fatal(err)
	}
	if len(kept.told) != 1 || kept.asks == 0 {
		t.Fatalf("the source was told %v and asked %d times, want once at least", kept.told, kept.asks)
	}
	if err := kept.run(t, store); err != nil {
		t.Errorf("with its own ledger: %v", err)
	}
	if err := kept.run(t, sinktest.NewMemory()); err != nil {
		t.Errorf("a new ledger under the same name: %v", err)
	}
	const genesis = "_onceflow/etl/e0001/genesis.json"
	for _, key := range keys(t, store, "") {
		if key != genesis {
			store.Lose(key)
		}
	}
	before := store.Clone()
	err := kept.run(t, store)
	behind, ok := errors.AsType[*stream.BehindError](err)
	if !ok || behind.Acked.Sub != 4 || !behind.Committed.IsZero() {
		t.Fatalf("got %v, want a BehindError that says 4 and nothing", err)
	}
	if !errors.Is(err, driver.ErrStop) {
		t.Error("a ledger behind the source is taken for an outage that passes")
	}
	for _, key := range keys(t, store, "") {
		if !strings.Contains(key, "/probe/") && !strings.Contains(key, "/.flows/") && !strings.HasSuffix(key, ledgerFirst) && key != genesis {
			t.Errorf("it wrote %s", key)
		}
	}
	clear(kept.told) // as a person does who knows that later files are gone, too
	if err := kept.run(t, before); err != nil {
		t.Errorf("when the source does not know any more: %v", err)
	}
}

const ledgerFirst = "s0000/00000000000000000001" // the list of topics, which says nothing of progress

// What the source was told is advice: that it cannot say stops nothing.
func TestASourceThatCannotSayWhatItWasToldStopsNothing(t *testing.T) {
	kept := &keptApart{told: map[string]map[record.Partition]record.Position{}, err: errors.New("the coordinator is away")}
	if err := kept.run(t, sinktest.NewMemory()); err != nil {
		t.Error(err)
	}
}
