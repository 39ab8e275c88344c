package journal_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

func folder(store storage.Store) *journal.Folder {
	e := env.Default()
	return journal.NewFolder(retry.New(store, e), e, "", "job")
}

// open opens the ledger of a job, and begins it if need be.
func open(t *testing.T, store storage.Store) *journal.Journal {
	t.Helper()
	f := folder(store)
	g, hash, err := f.Begin(t.Context(), &ledger.Genesis{
		Format: ledger.Format, MinReader: ledger.MinReader, Job: "job", Epoch: journal.Epoch, Hour: time.Hour, Layout: ledger.LayoutHive2,
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

// counting counts the tries to create entries.
type counting struct {
	*sinktest.Memory
	tries int
}

func (c *counting) Create(ctx context.Context, key string, body []byte) error {
	if strings.Contains(key, "/"+ledger.EntryPrefix) {
		c.tries++
	}
	return c.Memory.Create(ctx, key, body)
}

// An append once tried slot after slot, with a longer pause before each, while others appended faster than that: a commit
// was under way for two minutes, and had no end.
func TestAnAppendThatLostItsSlotReadsOnToTheEnd(t *testing.T) {
	store := &counting{Memory: sinktest.NewMemory()}
	ahead, behind := open(t, store), open(t, store)
	const others = 20
	for i := range uint64(others) {
		if _, err := ahead.Add(t.Context(), config(ahead, i+1), nil); err != nil {
			t.Fatal(err)
		}
	}
	store.tries = 0
	id, err := behind.Add(t.Context(), config(behind, others+1), nil)
	if err != nil || id != others+1 {
		t.Errorf("it is entry %d, %v, want %d", id, err, others+1)
	}
	if store.tries != 2 {
		t.Errorf("it tried %d slots, want the first one, which was taken, and the one behind the end", store.tries)
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
	store.Lose(j.Objects.Root + ledger.GenesisName)
	if _, _, err := folder(store).Beginning(t.Context()); !errors.As(err, new(*ledger.LostError)) {
		t.Errorf("genesis is gone: %v", err)
	}
}
