package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
)

// heldSetJSON is one of both.
type heldSetJSON struct {
	Held *heldJSON     `json:"held,omitempty"`
	Step *heldStepJSON `json:"step,omitempty"`
}

// heldBlobJSON has the held sets of one commit that were too long for it.
type heldBlobJSON struct {
	blobHeader
	Sets []heldSetJSON `json:"sets"`
}

// HeldSets are those of a blob that PartitionCommit.HeldBlob names.
type HeldSets struct {
	object string
	sets   []heldSetJSON
}

// stepMore is how many bytes longer than the whole set a step may be, so that short sets, of which it is never shorter, do
// not go another way than long ones.
const stepMore = 8

// toHeldSet codes the held set of p, as a step where that is allowed and not longer.
func (p *PartitionCommit) toHeldSet() (heldSetJSON, error) {
	held, err := toHeld(p.Progress.Held)
	if err != nil {
		return heldSetJSON{}, fmt.Errorf("ledger: partition %s: %w", p.Partition, err)
	}
	p.HeldBefore = 0
	full := heldSetJSON{Held: held}
	if p.blobs == 0 || p.blobs > MaxHeldBefore || p.HeldBase.Len() == 0 {
		return full, nil
	}
	shift, ok := p.shiftOf()
	if !ok {
		return full, nil
	}
	step, ok := toStep(p.Progress.Held, p.HeldBase, shift)
	if !ok || len(step.GoneRuns)+len(step.MoreRuns) > len(held.Runs)+stepMore {
		return full, nil
	}
	p.HeldBefore = p.blobs
	return heldSetJSON{Step: step}, nil
}

// DecodeHeld reads the object that b names.
func DecodeHeld(b *Blob, body []byte) (*HeldSets, error) {
	var j heldBlobJSON
	h, err := b.open(body, &j)
	if err != nil {
		return nil, err
	}
	for i := range j.Sets {
		if err := j.Sets[i].check(); err != nil {
			return nil, corrupt(b.object(), "%v", err)
		}
	}
	return &HeldSets{b.object(), j.Sets}, canonical(b.object(), body, h, func() ([]byte, error) { return pack(&j) })
}

// check checks what can be checked without the base, also that each list is coded as we would.
func (s *heldSetJSON) check() error {
	switch {
	case (s.Held == nil) == (s.Step == nil):
		return fmt.Errorf("a held set that is none, or two")
	case s.Step != nil:
		gone, more, err := s.Step.lists()
		if err == nil && (!bytes.Equal(encodeRuns(gone), s.Step.GoneRuns) || !bytes.Equal(encodeRuns(more), s.Step.MoreRuns)) {
			err = fmt.Errorf("held set is coded in another way")
		}
		return err
	}
	h, err := s.Held.held()
	if err != nil {
		return err
	}
	again, err := toHeld(h)
	if err == nil && (!bytes.Equal(again.Runs, s.Held.Runs) || again.First != s.Held.First) {
		err = fmt.Errorf("held set is coded in another way")
	}
	return err
}

// Set returns the set that b names in s. base is the one of the blobs before it; empty if it is the first.
func (s *HeldSets) Set(b *Blob, base driver.HeldSet) (h driver.HeldSet, err error) {
	if b.At < 0 || b.At >= len(s.sets) {
		return h, corrupt(s.object, "it has %d held sets, and not number %d", len(s.sets), b.At)
	}
	set := &s.sets[b.At]
	switch {
	case set.Held != nil && base.Len() == 0:
		h, err = set.Held.held()
	case set.Step != nil && base.Len() > 0:
		h, err = set.Step.apply(base)
	default:
		return h, corrupt(s.object, "held set %d has a base and needs none, or has none", b.At)
	}
	if err != nil {
		return h, corrupt(s.object, "held set %d: %v", b.At, err)
	}
	return h, nil
}

// inline is how many bytes of the entry the held set takes.
func (p *PartitionCommit) inline() int {
	held, err := toHeld(p.Progress.Held)
	if err != nil {
		return 0 // it is refused later
	}
	body, err := json.Marshal(held)
	if err != nil {
		return 0
	}
	return len(body)
}
