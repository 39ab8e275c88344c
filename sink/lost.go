package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/onceflow/onceflow/internal/ledger"
)

// A ledger that lost its beginning looks like one that has not begun, and one that lost its newest entries like one that
// has not got so far. Both would write rows again. What was written after the lost objects gives them away, so it is
// looked for at the start: always listed first, with the ledger read after it, since other instances may run.

// beginning reads the genesis object; nil if the ledger has not begun. The error is a *ledger.LostError if something is
// there that is written behind genesis only.
func (k *keeper) beginning(ctx context.Context) (*ledger.Genesis, ledger.Hash, error) {
	g, hash, err := k.genesis(ctx)
	if g != nil || err != nil {
		return g, hash, err
	}
	found, err := k.firstKey(ctx, k.root, "")
	if err != nil || found == "" {
		return nil, "", err
	}
	if g, hash, err = k.genesis(ctx); g != nil || err != nil { // it may be another instance's that begins now
		return g, hash, err
	}
	return nil, "", &ledger.LostError{Job: k.job, Found: found, Missing: k.root + ledger.GenesisName}
}

// firstKey is that of the first object with a prefix, behind after; empty if there is none.
func (k *keeper) firstKey(ctx context.Context, prefix, after string) (string, error) {
	for o, err := range k.store.List(ctx, prefix, after) {
		if err != nil {
			return "", fmt.Errorf("sink: list %s: %w", prefix, err)
		}
		return o.Key, nil
	}
	return "", nil
}

// trace is a kind of objects that are written behind entries, whose names sort by them.
type trace struct {
	prefix, after string // of names, relative to the root

	// missing names what must be there for an object of that name to be; empty if all is in s, or the name is another's.
	missing func(s *ledger.State, name string) string
}

// traces are the kinds, each from behind what s explains.
func traces(s *ledger.State) []trace {
	entry := func(s *ledger.State, n uint64, ok bool) string {
		if !ok || n <= s.Last {
			return ""
		}
		return fmt.Sprintf("entry %d", s.Last+1)
	}
	closed := ""
	if !s.Closed.IsZero() {
		closed = ledger.HourName(s.Closed.Add(-s.Genesis.Hour), s.Genesis.Hour)
	}
	return []trace{
		{ledger.EntryPrefix, ledger.EntryName(s.Last), func(s *ledger.State, name string) string {
			n, ok := ledger.ParseEntryName(name)
			return entry(s, n, ok)
		}},
		{ledger.ManifestPrefix, ledger.ManifestName(s.Last), func(s *ledger.State, name string) string {
			n, ok := ledger.ParseManifestName(name)
			return entry(s, n, ok)
		}},
		{ledger.SnapshotPrefix, ledger.SnapshotName(s.Last), func(s *ledger.State, name string) string {
			n, ok := ledger.ParseSnapshotName(name)
			return entry(s, n, ok)
		}},
		// An owner that has folded all entries below n knows of n - 1.
		{ledger.OwnerPrefix, ledger.OwnerName(ledger.OwnerID(s.Last+2, 0)), func(s *ledger.State, name string) string {
			n, ok := ledger.ParseOwnerID(strings.TrimPrefix(name, ledger.OwnerPrefix))
			return entry(s, n-1, ok)
		}},
		{ledger.HourPrefix, closed, func(s *ledger.State, name string) string {
			start, ok := ledger.ParseHourName(name, s.Genesis.Hour)
			if !ok || start.Before(s.Closed) {
				return ""
			}
			return fmt.Sprintf("the entry that closes it, behind entry %d", s.Last)
		}},
	}
}

// openLedger reads a ledger whose beginning is known, and refuses one that lost objects.
func (k *keeper) openLedger(ctx context.Context, g *ledger.Genesis, hash ledger.Hash) error {
	if err := k.open(ctx, g, hash); err != nil {
		return err
	}
	return k.checkLost(ctx)
}

// checkLost refuses a ledger whose end is not its end. It is called when the ledger was read, lists what there is behind
// the end as we know it, one request for each kind however long the ledger is, and reads on.
func (k *keeper) checkLost(ctx context.Context) error {
	k.env.Lock(&k.mu)
	kinds, empty := traces(k.state), k.state.Last == 0
	k.mu.Unlock()
	found := make([]string, len(kinds))
	err := k.env.Each(ctx, len(kinds), func(ctx context.Context, i int) (err error) {
		after := ""
		if kinds[i].after != "" {
			after = k.root + kinds[i].after
		}
		found[i], err = k.firstKey(ctx, k.root+kinds[i].prefix, after)
		return err
	})
	if err != nil {
		return err
	}
	var data error // of a job that has committed nothing
	if empty {
		data = k.checkData(ctx)
	}
	if err := k.read(ctx); err != nil {
		return err
	}
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	for i, key := range found {
		if key == "" {
			continue
		}
		if missing := kinds[i].missing(k.state, key[len(k.root):]); missing != "" {
			return &ledger.LostError{Job: k.job, Found: key, Missing: missing, Last: k.state.Last}
		}
	}
	if k.state.Last > 0 {
		return nil
	}
	return data
}

// folded reads an entry that was there when the ledger was read. That it is gone now, or was below a snapshot, is a loss.
func (d *journal) folded(ctx context.Context, id uint64) (*ledger.Entry, ledger.Hash, error) {
	e, hash, err := d.entry(ctx, id)
	if !errors.Is(err, fs.ErrNotExist) {
		return e, hash, err
	}
	d.env.Lock(&d.mu)
	defer d.mu.Unlock()
	return nil, "", &ledger.LostError{
		Job: d.state.Genesis.Job, Found: fmt.Sprintf("what was made of entry %d", max(id, d.state.Last)), Missing: fmt.Sprintf("entry %d", id), Last: d.state.Last,
	}
}

// ours is how the files of flows are named: see staging.begin.
var ours = regexp.MustCompile(`^[0-9a-f]{26}-[0-9]+-[0-9]+(\.|$)`)

// checkData refuses to begin a ledger in a folder that has files which such a job has published: its control objects are
// gone, all of them, and the source would be read into the same folder once more. Files of other programs do not matter.
func (k *keeper) checkData(ctx context.Context) error {
	const most = 1000 // objects that are looked at for each flow: a page of a listing
	return k.env.Each(ctx, len(k.flowNames), func(ctx context.Context, i int) error {
		folder, n := k.opts.Prefix+k.flowNames[i]+"/", 0
		for o, err := range k.store.List(ctx, folder, "") {
			if err != nil {
				return fmt.Errorf("sink: list %s: %w", folder, err)
			}
			if ours.MatchString(path.Base(o.Key)) {
				return &ledger.LostError{Job: k.job, Found: o.Key, Missing: "the ledger of a job that has written it"}
			}
			if n++; n == most {
				break
			}
		}
		return nil
	})
}
