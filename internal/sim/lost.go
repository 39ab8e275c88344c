package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

// loss lets the ledger lose objects when all is done, and a process begin on what is left. It must be refused before it
// has written anything.
func (w *world) loss() {
	store := w.store.Clone()
	root := ledger.Root("", "job", 1)
	entries := names(store, root+ledger.EntryPrefix, root, ledger.ParseEntryName)
	manifests := names(store, root+ledger.ManifestPrefix, root, ledger.ParseManifestName)
	snapshots := names(store, root+ledger.SnapshotPrefix, root, ledger.ParseSnapshotName)
	if len(manifests) == 0 {
		return // nothing that is left would tell
	}
	what := "genesis"
	newest, snapshot := manifests[len(manifests)-1], uint64(0)
	if len(snapshots) > 0 {
		snapshot = snapshots[len(snapshots)-1]
	}
	switch last := entries[len(entries)-1]; w.sched.rng.IntN(3) {
	case 0:
		store.Lose(root + ledger.GenesisName)
	case 1: // the newest, as in a folder that was restored in part
		what = "the newest entries"
		from := 1 + w.sched.rng.Uint64N(newest)
		for n := from; n <= last; n++ {
			store.Lose(root + ledger.EntryName(n))
			store.Lose(root + ledger.SnapshotName(n))
		}
	case 2:
		if last-snapshot < 2 {
			return // what a snapshot has is not read
		}
		what = "an entry"
		store.Lose(root + ledger.EntryName(snapshot+1+w.sched.rng.Uint64N(last-snapshot-1)))
	}
	w.sched.logf("%s lost", what)
	before := kept(store)
	err := w.openOn(store)
	if _, lost := errors.AsType[*ledger.LostError](err); !lost {
		w.check.bad.add("a process begins though the ledger lost %s: %v", what, err)
	}
	if after := kept(store); !slices.Equal(before, after) {
		w.check.bad.add("a process wrote though the ledger lost %s: %d objects, before %d", what, len(after), len(before))
	}
}

// names are the numbers in the names of a kind of objects.
func names(store *sinktest.Memory, prefix, root string, parse func(string) (uint64, bool)) (out []uint64) {
	for _, key := range keysOf(store, prefix) {
		if n, ok := parse(strings.TrimPrefix(key, root)); ok {
			out = append(out, n)
		}
	}
	return out
}

// kept are all keys but those of probes.
func kept(store *sinktest.Memory) []string {
	return slices.DeleteFunc(keysOf(store, ""), func(key string) bool { return strings.Contains(key, "/probe/") })
}

func keysOf(store *sinktest.Memory, prefix string) (keys []string) {
	for o, err := range store.List(context.Background(), prefix, "") {
		if err != nil {
			panic(err) // memory does not fail
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// openOn begins a process of the newest generation, with no others beside it and no faults.
func (w *world) openOn(store sink.Store) error {
	e := env.Default()
	e.Rand, e.Parallel = rand.New(rand.NewPCG(w.sched.rng.Uint64(), 3)).Uint64, 1
	ctx := env.With(context.Background(), e)
	topics, generation := w.src.read()
	s, err := sink.Open(ctx, store, "job", flows("clicks", version{}), &sink.Options{Hour: hour, Generation: generation})
	if err != nil {
		return err
	}
	out := seal.Hourly(s, &seal.Options{Lateness: lateness})
	return out.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "sim", Topics: topics}, Workers: 1})
}
