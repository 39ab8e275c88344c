package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"

	"github.com/onceflow/onceflow/internal/ledger"
)

// listed is how many names one look at the list of snapshots takes: as many as stores give in one reply.
const listed = 1000

// snapshots finds and reads the snapshots of a ledger. It is immutable.
type snapshots struct {
	objects *Objects
	log     *slog.Logger
}

func (f *Folder) snapshots(log *slog.Logger) snapshots { return snapshots{f.Objects, log} }

// latest returns the state of the latest usable snapshot of an entry up to most; without one, the empty state.
func (d snapshots) latest(ctx context.Context, g *ledger.Genesis, hash ledger.Hash, most uint64) (*ledger.State, error) {
	var found []uint64
	above := most // all snapshots above above are in found, or were tried
	if most == math.MaxUint64 {
		var err error
		if found, above, err = d.last(ctx); err != nil {
			return nil, err
		}
	}
	for window := listed * d.every(); ; window *= 2 {
		for i := len(found) - 1; i >= 0; i-- {
			body, err := d.objects.Store.Read(ctx, d.objects.Root+ledger.SnapshotName(found[i]), ledger.MaxSnapshot)
			if err != nil {
				return nil, fmt.Errorf("sink: read snapshot %d: %w", found[i], err)
			}
			s, err := ledger.DecodeState(*g, hash, found[i], body)
			if err == nil {
				err = d.chunks(ctx, s.Lanes.Finished)
			}
			if _, corrupt := errors.AsType[*ledger.CorruptError](err); corrupt {
				d.log.Warn("a snapshot is corrupt; reading an older one", "entry", found[i], "err", err)
				continue
			}
			return s, err
		}
		if above == 0 {
			return ledger.NewState(*g, hash), nil
		}
		from := above - min(above, window)
		var err error
		if found, _, err = d.behind(ctx, from, above, math.MaxInt); err != nil {
			return nil, err
		}
		above = from
	}
}

// last returns the last snapshots, ascending, and an entry above which there are no others. Nothing of a ledger is deleted,
// so a list of all grows for ever: after a year an open once made 164 requests one after the other. Whether a snapshot
// exists above an entry shows on which side of it the end is, even if some are missing. So last doubles the distance until
// there is none above, and then halves it.
func (d snapshots) last(ctx context.Context) (found []uint64, above uint64, err error) {
	var last, end, at uint64 = 0, math.MaxUint64, 0 // snapshot last exists, or last is 0; none exists above end
	for step := listed * d.every(); ; {
		some, more, err := d.behind(ctx, at, math.MaxUint64, listed)
		switch {
		case err != nil || len(some) > 0 && !more:
			return some, at, err
		case len(some) > 0:
			last = some[len(some)-1]
		case at > last:
			end = at
		case last == 0:
			return nil, 0, nil
		default:
			return []uint64{last}, last - 1, nil
		}
		if end == math.MaxUint64 {
			at = last + min(step, end-last)
			step += min(step, math.MaxUint64-step)
		} else if at = last + (end-last)/2; at-last < listed*d.every() {
			at = last // so near that one look shows the rest
		}
	}
}

// behind lists the snapshots above from and up to most. more says that it stopped after limit of them.
func (d snapshots) behind(ctx context.Context, from, most uint64, limit int) (found []uint64, more bool, err error) {
	after := ""
	if from > 0 {
		after = d.objects.Root + ledger.SnapshotName(from)
	}
	for o, err := range d.objects.Store.List(ctx, d.objects.Root+ledger.SnapshotPrefix, after) {
		if err != nil {
			return nil, false, fmt.Errorf("sink: list snapshots: %w", err)
		}
		n, ok := ledger.ParseSnapshotName(o.Key[len(d.objects.Root):])
		if !ok {
			continue
		}
		if n > most {
			break
		}
		if found = append(found, n); len(found) == limit {
			return found, true, nil
		}
	}
	return found, false, nil
}

func (d snapshots) every() uint64 { return cmp.Or(d.objects.Env.SnapshotEvery, ledger.SnapshotEvery) }

// chunks reads the chunks that a snapshot names. If one is missing the ledger is corrupt, since chunks are written first.
func (d snapshots) chunks(ctx context.Context, finished *ledger.Finished) error {
	missing := finished.Missing()
	bodies := make([][]byte, len(missing))
	err := d.objects.Env.Wide().Each(ctx, len(missing), func(ctx context.Context, i int) error {
		name := ledger.ChunkName(missing[i])
		object, err := d.objects.Store.Read(ctx, d.objects.Root+name, ledger.MaxChunk)
		if errors.Is(err, fs.ErrNotExist) {
			return &ledger.CorruptError{Object: name, Reason: "it is missing"}
		}
		if err != nil {
			return fmt.Errorf("sink: read %s: %w", name, err)
		}
		bodies[i], err = ledger.DecodeChunk(missing[i], object)
		return err
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return finished.Complete(bodies)
}
