package journal

import (
	"context"
	"fmt"
	"strings"

	"github.com/onceflow/onceflow/internal/ledger"
)

// A ledger that lost its beginning looks like one that has not begun. One that lost its newest entries looks like an
// earlier one. Both would write rows again. Objects that were written after the lost ones show the loss. So each start
// lists these first and reads the ledger afterwards, since other instances may be running.

// trace is a kind of objects that are written after entries. Their names sort by entry.
type trace struct {
	prefix, after string                 // of names, relative to the root
	ours          func(name string) bool // or the name is another program's

	// missing names the object that must exist if one of that name does. It returns "" if s has it.
	missing func(s *ledger.State, name string) string
}

// numbered is a trace whose names tell an entry that must exist.
func numbered(prefix, after string, entry func(name string) (uint64, bool)) trace {
	return trace{
		prefix: prefix, after: after,
		ours: func(name string) bool { _, ok := entry(name); return ok },
		missing: func(s *ledger.State, name string) string {
			if n, ok := entry(name); !ok || n <= s.Last {
				return ""
			}
			return fmt.Sprintf("entry %d", s.Last+1)
		},
	}
}

// traces are the kinds, each from behind what s explains.
func traces(s *ledger.State) []trace {
	closed, length := "", s.Genesis.Hour
	if !s.Hours.Closed.IsZero() {
		closed = ledger.HourName(s.Hours.Closed.Add(-length), length)
	}
	return []trace{
		numbered(ledger.EntryPrefix, ledger.EntryName(s.Last), ledger.ParseEntryName),
		numbered(ledger.ManifestPrefix, ledger.ManifestName(s.Last), ledger.ParseManifestName),
		numbered(ledger.SnapshotPrefix, ledger.SnapshotName(s.Last), ledger.ParseSnapshotName),
		// An owner that has folded all entries below n knows of n - 1.
		numbered(ledger.OwnerPrefix, ledger.OwnerName(ledger.OwnerID(s.Last+2, 0)), func(name string) (uint64, bool) {
			n, ok := ledger.ParseOwnerID(strings.TrimPrefix(name, ledger.OwnerPrefix))
			return n - 1, ok
		}),
		{
			prefix: ledger.HourPrefix, after: closed,
			ours: func(name string) bool { _, ok := ledger.ParseHourName(name, length); return ok },
			missing: func(s *ledger.State, name string) string {
				start, ok := ledger.ParseHourName(name, s.Genesis.Hour)
				if !ok || start.Before(s.Hours.Closed) {
					return ""
				}
				return fmt.Sprintf("the entry that closes it, behind entry %d", s.Last)
			},
		},
	}
}

// checkLost refuses a ledger that has lost its end. j was read before the call. It lists the objects beyond the end that j
// knows, with one request for each kind however long the ledger is, and then reads on.
func checkLost(ctx context.Context, j *Journal, flows []string) error {
	var kinds []trace
	var empty bool
	j.Look(func(s *ledger.State) { kinds, empty = traces(s), s.Last == 0 })
	o := j.Objects
	found := make([]string, len(kinds))
	err := o.Env.Each(ctx, len(kinds), func(ctx context.Context, i int) (err error) {
		after := ""
		if kinds[i].after != "" {
			after = o.Root + kinds[i].after
		}
		found[i], err = o.firstKey(ctx, o.Root+kinds[i].prefix, after, func(rest string) bool { return kinds[i].ours(kinds[i].prefix + rest) })
		return err
	})
	if err != nil {
		return err
	}
	var data error // of a job that has committed nothing
	if empty {
		data = j.Folder.CheckData(ctx, flows)
	}
	return j.ReadAnd(ctx, func(s *ledger.State) error {
		for i, key := range found {
			if key == "" {
				continue
			}
			if missing := kinds[i].missing(s, key[len(o.Root):]); missing != "" {
				return &ledger.LostError{Job: j.Folder.Job, Found: key, Missing: missing, Last: s.Last}
			}
		}
		if s.Last > 0 {
			return nil
		}
		return data
	})
}
