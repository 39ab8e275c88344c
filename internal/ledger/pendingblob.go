package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
)

// pendingSetJSON is one of both.
type pendingSetJSON struct {
	Pending *pendingJSON     `json:"pending,omitempty"`
	Step    *pendingStepJSON `json:"step,omitempty"`
}

// pendingBlobJSON has the pending sets of one commit that were too long for it.
type pendingBlobJSON struct {
	blobHeader
	Sets []pendingSetJSON `json:"sets"`
}

// PendingSets are the sets in one blob. PartitionCommit.PendingBlob names it.
type PendingSets struct {
	object string
	sets   []pendingSetJSON
}

// stepMore is how many bytes longer than the whole set a step may be. Steps of short sets are never shorter than the set,
// and short sets should take the same path as long ones.
const stepMore = 8

// toPendingSet codes the pending set of p, as a step if that is allowed and not longer.
func (p *PartitionCommit) toPendingSet() (pendingSetJSON, error) {
	pending, err := toPending(p.Progress.Pending)
	if err != nil {
		return pendingSetJSON{}, fmt.Errorf("ledger: partition %s: %w", p.Partition, err)
	}
	p.PendingBefore = 0
	full := pendingSetJSON{Pending: pending}
	if p.blobs == 0 || p.blobs > MaxPendingBefore || p.PendingBase.Len() == 0 {
		return full, nil
	}
	shift, ok := p.shiftOf()
	if !ok {
		return full, nil
	}
	step, ok := toStep(p.Progress.Pending, p.PendingBase, shift)
	if !ok || len(step.GoneRuns)+len(step.MoreRuns) > len(pending.Runs)+stepMore {
		return full, nil
	}
	p.PendingBefore = p.blobs
	return pendingSetJSON{Step: step}, nil
}

// DecodePending reads the object that b names.
func DecodePending(b *Blob, body []byte) (*PendingSets, error) {
	var j pendingBlobJSON
	h, err := b.open(body, &j)
	if err != nil {
		return nil, err
	}
	for i := range j.Sets {
		if err := j.Sets[i].check(); err != nil {
			return nil, corrupt(b.object(), "%v", err)
		}
	}
	return &PendingSets{b.object(), j.Sets}, canonical(b.object(), body, h, func() ([]byte, error) { return pack(&j) })
}

// check makes the checks that need no base, also that each list is coded as this code would.
func (s *pendingSetJSON) check() error {
	switch {
	case (s.Pending == nil) == (s.Step == nil):
		return fmt.Errorf("a pending set that is none, or two")
	case s.Step != nil:
		gone, more, err := s.Step.lists()
		if err == nil && (!bytes.Equal(encodeRuns(gone), s.Step.GoneRuns) || !bytes.Equal(encodeRuns(more), s.Step.MoreRuns)) {
			err = fmt.Errorf("pending set is coded in another way")
		}
		return err
	}
	h, err := s.Pending.pending()
	if err != nil {
		return err
	}
	again, err := toPending(h)
	if err == nil && (!bytes.Equal(again.Runs, s.Pending.Runs) || again.First != s.Pending.First) {
		err = fmt.Errorf("pending set is coded in another way")
	}
	return err
}

// Set returns the set that b names. base is the set of the blobs before it; empty if b is the first.
func (s *PendingSets) Set(b *Blob, base driver.PendingSet) (h driver.PendingSet, err error) {
	if b.At < 0 || b.At >= len(s.sets) {
		return h, corrupt(s.object, "it has %d pending sets, and not number %d", len(s.sets), b.At)
	}
	set := &s.sets[b.At]
	switch {
	case set.Pending != nil && base.Len() == 0:
		h, err = set.Pending.pending()
	case set.Step != nil && base.Len() > 0:
		h, err = set.Step.apply(base)
	default:
		return h, corrupt(s.object, "pending set %d has a base and needs none, or has none", b.At)
	}
	if err != nil {
		return h, corrupt(s.object, "pending set %d: %v", b.At, err)
	}
	return h, nil
}

// inline is how many bytes of the entry the pending set takes.
func (p *PartitionCommit) inline() int {
	pending, err := toPending(p.Progress.Pending)
	if err != nil {
		return 0 // it is refused later
	}
	body, err := json.Marshal(pending)
	if err != nil {
		return 0
	}
	return len(body)
}
