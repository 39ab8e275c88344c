package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Publisher makes the files of committed entries visible. Between our own entries it remembers what it knows of publication
// and seals. Nothing depends on that: what a crash forgets is found out again. It is safe for concurrent use.
type Publisher struct {
	journal *journal.Journal

	mu         sync.Mutex      // a leaf
	published  map[uint64]bool // entries whose files and manifest we know to be in place, and that are not marked
	sealed     time.Time       // end of the last hour whose seal objects we know to exist
	sealedAt   time.Time       // what the store's clock said then; zero if none of the last hours has packs
	publishing int             // commits that are appending or publishing
}

// NewPublisher returns one that knows nothing.
func NewPublisher(j *journal.Journal) *Publisher {
	return &Publisher{journal: j, published: map[uint64]bool{}}
}

// Publish makes the files of a committed entry visible. Its last step creates the manifest. Anybody may call it, any number
// of times. The error is a *LostFileError if publication can never succeed.
func (p *Publisher) Publish(ctx context.Context, e *ledger.Entry) error {
	if !e.Commit.HasManifest() {
		return nil
	}
	o, log := p.journal.Objects, p.journal.Log
	files, err := o.Files(ctx, e.Commit)
	if err != nil {
		return err
	}
	lost := make([]error, len(files))
	err = o.Env.Wide().Each(ctx, len(files), func(ctx context.Context, i int) error {
		return retry.Insist(ctx, o.Env, log, "publish "+files[i].Key, func(ctx context.Context) error {
			err := o.Store.Publish(ctx, files[i].Ref)
			if errors.Is(err, driver.ErrStagingLost) {
				lost[i] = err // publish the others, and report all lost ones at once
				return nil
			}
			if err != nil {
				return fmt.Errorf("sink: publish %s of entry %d: %w", files[i].Key, e.ID, err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	gone := &LostFileError{Entry: e.ID, Of: len(files)}
	for i, err := range lost {
		if err == nil {
			continue
		}
		if gone.Files = append(gone.Files, files[i]); gone.Err == nil {
			gone.Err = err
		}
	}
	if len(gone.Files) > 0 {
		if marked, err := p.marked(ctx, e.ID); marked || err != nil {
			return err
		}
		return gone
	}
	body, err := journal.EncodeManifest(p.manifest(e, files))
	if err != nil {
		return err
	}
	err = retry.Insist(ctx, o.Env, log, "create a manifest", func(ctx context.Context) error {
		err := o.Store.Create(ctx, o.Root+ledger.ManifestName(e.ID), body)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("sink: create the manifest of entry %d: %w", e.ID, err)
		}
		return nil
	})
	if err == nil {
		p.markLater(e.ID)
	}
	return err
}

// marked reports whether an entry is known to all as published. Then its packs may have been deleted since, by who saw that
// their hour was sealed for long enough.
func (p *Publisher) marked(ctx context.Context, id uint64) (marked bool, err error) {
	err = p.journal.ReadAnd(ctx, func(s *ledger.State) error {
		_, waits := s.Unpublished[id]
		marked = !waits && id <= s.Last
		return nil
	})
	return marked, err
}

func (p *Publisher) manifest(e *ledger.Entry, files []ledger.File) *manifest.Transaction {
	m := &manifest.Transaction{
		Format: manifest.Format, Job: p.journal.Folder.Job, Epoch: journal.Epoch, Entry: e.ID, Files: journal.Public(files),
		Packs: journal.Packs(files), Partitions: []manifest.Partition{},
	}
	if len(m.Packs) > 0 {
		m.Format = manifest.PackFormat
	}
	m.Flows = manifest.Sum(m.Files)
	for i := range m.Packs {
		pack := &m.Packs[i]
		sum := m.Flows[pack.Flow]
		sum.Files, sum.Rows, sum.Bytes = sum.Files+1, sum.Rows+pack.Rows, sum.Bytes+pack.Length
		m.Flows[pack.Flow] = sum
	}
	for _, r := range e.Commit.Reasons {
		m.Reasons = append(m.Reasons, manifest.Reason(r))
	}
	for _, d := range e.Commit.LateDropped {
		if m.LateDropped == nil {
			m.LateDropped = map[string]int64{}
		}
		m.LateDropped[d.Flow] = d.Rows
	}
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		for k := range l.Partitions {
			pc := &l.Partitions[k]
			part := manifest.Partition{
				Lane: l.Lane, Source: pc.Partition.Source, Epoch: pc.Partition.Epoch, ID: pc.Partition.ID,
				Read: pc.Read, Pending: pc.PendingLen, Counts: journal.CountsByName(pc.Counts),
			}
			if !pc.Progress.UpTo.IsZero() {
				part.UpTo = pc.Progress.UpTo.String()
			}
			m.Partitions = append(m.Partitions, part)
		}
	}
	return m
}

// Entry returns a new entry that marks all that is known to be published and sealed. Prepare removes what is marked
// already.
func (p *Publisher) Entry(kind ledger.Kind) *ledger.Entry {
	token := journal.NewToken(p.journal.Objects.Env)
	p.mu.Lock()
	defer p.mu.Unlock()
	return &ledger.Entry{Kind: kind, Token: token, Published: slices.Sorted(maps.Keys(p.published)), Sealed: p.sealed, SealedAt: p.sealedAt}
}

// Sealed is the end of the last hour whose seal objects we know to exist.
func (p *Publisher) Sealed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sealed
}

// NoteSealed notes that the seals of all hours up to end exist. at is what the store's clock said after that, if the last
// of them have packs; else zero. marked is the end of the hours that the ledger marks as sealed.
func (p *Publisher) NoteSealed(end, at, marked time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.IsZero() && p.sealed.After(marked) {
		at = p.sealedAt // no entry has said it of the hours before
	}
	p.sealed, p.sealedAt = end, at
}

// markLater saves that an entry is published, for the next entry that can say so.
func (p *Publisher) markLater(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published[id] = true
}

// Unpublished returns those of a ledger's unpublished entries that this process does not know to be published.
func (p *Publisher) Unpublished(unpublished map[uint64]ledger.Unpublished) map[uint64]ledger.Unpublished {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := map[uint64]ledger.Unpublished{}
	for id, what := range unpublished {
		if !p.published[id] {
			left[id] = what
		}
	}
	return left
}

// forgetMarked forgets entries that the ledger has marked, so that they are no longer among its unpublished ones.
func (p *Publisher) forgetMarked(unpublished map[uint64]ledger.Unpublished) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.published, func(id uint64, _ bool) bool {
		_, waits := unpublished[id]
		return !waits
	})
}

// Committing says that a commit is about to publish what it writes. Until over is called nobody else need publish it.
func (p *Publisher) Committing() (over func()) {
	p.commits(1)
	return func() { p.commits(-1) }
}

// commits adds n to the number of commits that are publishing, and returns it.
func (p *Publisher) commits(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.publishing += n
	return p.publishing
}
