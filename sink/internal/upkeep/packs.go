package upkeep

import (
	"context"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/journal"
)

// Packs deletes packs some time after their hour was sealed. Only the goroutine of Maintain uses it.
type Packs struct {
	chore
	clock *clock.Clock
	keep  time.Duration
}

// NewPacks returns one that keeps packs for a time, or for ever if that is negative.
func NewPacks(j *journal.Journal, c *clock.Clock, keep time.Duration) *Packs {
	p := &Packs{clock: c, keep: keep}
	p.chore = chore{what: "deleting old packs", journal: j, do: p.delete}
	return p
}

// delete deletes the packs of hours that an entry has said to be sealed long ago. It finds them by a listing, each time anew:
// a pack that somebody publishes once more when it was deleted is found, too.
func (p *Packs) delete(ctx context.Context) error {
	if p.keep < 0 {
		return nil
	}
	var last time.Time // an end of hours that are sealed with packs among them
	p.journal.Look(func(s *ledger.State) { last = s.Hours.LastSeal() })
	if last.IsZero() {
		return nil // there never was a pack
	}
	now, err := p.clock.Now(ctx, p.journal.Log, p.journal.View().At)
	if err != nil {
		return err
	}
	o := p.journal.Objects
	for object, err := range o.Store.List(ctx, o.Root+ledger.PackPrefix, "") {
		if err != nil {
			return fmt.Errorf("sink: list packs: %w", err)
		}
		hour, ok := ledger.ParsePackName(object.Key[len(o.Root):])
		if !ok {
			continue
		}
		var sealed time.Time
		p.journal.Look(func(s *ledger.State) { sealed = s.Hours.SealedAt(hour) })
		if sealed.IsZero() || now.Before(sealed.Add(p.keep)) {
			return nil // later hours were sealed later
		}
		if err := o.Store.Delete(ctx, object.Key); err != nil {
			return fmt.Errorf("sink: delete the pack %s: %w", object.Key, err)
		}
		p.journal.Log.Debug("deleted a pack whose hour was sealed long ago", "key", object.Key, "bytes", object.Size)
	}
	return nil
}
