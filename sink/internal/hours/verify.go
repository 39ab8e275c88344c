package hours

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// mostTold is how many files an error names.
const mostTold = 5

// verify refuses to close the hours up to through if one of their files is not in the store as it was published. The
// protocol does not need it, since nobody but us should write there: it shows early what a reader would find.
func (c *Closer) verify(ctx context.Context, through time.Time) error {
	var hours map[time.Time]ledger.Hour
	c.journal.Look(func(s *ledger.State) { hours = journal.Closes(s, through) })
	closing, err := hourContents(ctx, c.journal, hours)
	if err != nil {
		return err
	}
	folders := map[string]map[string]int64{} // lengths by key, by the folder of a flow and hour, or of an hour's packs
	add := func(folder []byte, key string, length int64) {
		if folders[string(folder)] == nil {
			folders[string(folder)] = map[string]int64{}
		}
		folders[string(folder)][key] = length
	}
	for hour, has := range closing {
		for i := range has.files {
			f := &has.files[i]
			add(c.opts.Layout.Folder(f.Flow, files.Data, hour), f.Key, f.Length)
		}
		for _, packs := range has.packs {
			for i := range packs {
				add([]byte(c.opts.Layout.Packs(hour)), packs[i].Key, packs[i].Length)
			}
		}
	}
	names := slices.Sorted(maps.Keys(folders))
	wrong := make([][]error, len(names))
	err = c.journal.Objects.Env.Each(ctx, len(names), func(ctx context.Context, i int) (err error) {
		wrong[i], err = c.verifyFolder(ctx, names[i], folders[names[i]])
		return err
	})
	if err != nil {
		return err
	}
	all := slices.Concat(wrong...)
	if len(all) == 0 {
		return nil
	}
	if more := len(all) - mostTold; more > 0 {
		all = append(all[:mostTold], fmt.Errorf("sink: and %d more", more))
	}
	return retry.Stop(fmt.Errorf("sink: hours up to %s are not closed, since files were changed behind our back; restore them, or seal "+
		"without Verify: %w", through.Format(time.RFC3339), errors.Join(all...)))
}

// verifyFolder compares a folder with want, the lengths of its files by key. It leaves in want the files that are missing.
func (c *Closer) verifyFolder(ctx context.Context, folder string, want map[string]int64) (wrong []error, err error) {
	for o, err := range c.journal.Objects.Store.List(ctx, folder, "") {
		if err != nil {
			return nil, fmt.Errorf("sink: list %s: %w", folder, err)
		}
		if length, ours := want[o.Key]; ours && o.Size != length {
			wrong = append(wrong, fmt.Errorf("%s has %d bytes, it was published with %d", o.Key, o.Size, length))
		}
		delete(want, o.Key)
	}
	for key := range want {
		wrong = append(wrong, fmt.Errorf("%s is gone", key))
	}
	slices.SortFunc(wrong, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return wrong, nil
}
