package journal_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

func folder(store *sinktest.Memory) *journal.Folder {
	e := env.Default()
	return journal.NewFolder(retry.New(store, e), e, "", "job")
}

// open opens the ledger of a job, and begins it if need be.
func open(t *testing.T, store *sinktest.Memory) *journal.Journal {
	t.Helper()
	f := folder(store)
	g, hash, err := f.Begin(t.Context(), &ledger.Genesis{
		Format: ledger.Format, MinReader: ledger.MinReader, Job: "job", Epoch: journal.Epoch, Hour: time.Hour, Layout: ledger.LayoutHive1,
		Source: "test", Shards: 1, Shard: ledger.ShardSingle, Created: time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC), Token: journal.NewToken(f.Objects.Env),
	})
	if err != nil {
		t.Fatal(err)
	}
	j, err := f.Open(t.Context(), g, hash, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// config is an entry of some generation.
func config(j *journal.Journal, generation uint64) *ledger.Entry {
	return &ledger.Entry{
		Kind: ledger.KindConfig, Token: journal.NewToken(j.Objects.Env), Config: &ledger.Config{Generation: generation, Topics: []string{"a"}},
	}
}

func TestAppendsGoBehindThoseOfOthers(t *testing.T) {
	store := sinktest.NewMemory()
	a, b := open(t, store), open(t, store)
	for i, j := range []*journal.Journal{a, b, a} {
		generation := uint64(i + 1)
		if id, err := j.Add(t.Context(), config(j, generation), nil); err != nil || id != generation {
			t.Errorf("append %d: entry %d, %v", i, id, err)
		}
	}
	if last := b.View().Last; last != 2 {
		t.Errorf("b knows %d entries before it reads, want 2", last)
	}
	if err := b.Read(t.Context()); err != nil || b.View().Last != 3 {
		t.Errorf("b knows %d entries after it read, %v, want 3", b.View().Last, err)
	}
}

func TestAnAppendThatOthersMadeVoidIsFenced(t *testing.T) {
	store := sinktest.NewMemory()
	a, b := open(t, store), open(t, store)
	if _, err := a.Add(t.Context(), config(a, 2), nil); err != nil {
		t.Fatal(err)
	}
	if id, err := b.Append(t.Context(), config(b, 1), nil); !errors.Is(err, driver.ErrFenced) {
		t.Errorf("an older generation is appended as %d, %v", id, err)
	}
}

func TestALedgerThatHasNotBegunIsToldFromOneThatLostItsBeginning(t *testing.T) {
	store := sinktest.NewMemory()
	if _, _, err := folder(store).Begun(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is there: %v", err)
	}
	j := open(t, store)
	if _, err := j.Add(t.Context(), config(j, 1), nil); err != nil {
		t.Fatal(err)
	}
	store.Delete(j.Objects.Root + ledger.GenesisName)
	if _, _, err := folder(store).Beginning(t.Context()); !errors.As(err, new(*ledger.LostError)) {
		t.Errorf("genesis is gone: %v", err)
	}
}
