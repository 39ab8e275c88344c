package ledger

import (
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// Validate decides whether e may be written after the folded state. nil means yes. A *VoidError, which matches
// driver.ErrFenced, means that somebody else was faster and the work is void. A *CorruptError means that e contradicts
// itself or goes back. That is a fault in its author, so e must be neither written nor tried again.
func (s *State) Validate(e *Entry) error {
	object := fmt.Sprintf("entry %d", e.ID)
	if b := e.Detached(); b != nil {
		return corrupt(object, "the blob %q was not attached", b.Key)
	}
	if e.Kind == KindMark && len(e.Published) == 0 && e.Sealed.IsZero() {
		return &VoidError{Entry: s.Last, Reason: "others have marked all that it marks"}
	}
	if err := e.check(); err != nil {
		return corrupt(object, "%v", err)
	}
	for _, id := range e.Published {
		if _, unpublished := s.Unpublished[id]; !unpublished {
			return &VoidError{Entry: id, Reason: "it was marked as published before, or has nothing to publish"}
		}
	}
	if !e.Sealed.IsZero() && (!e.Sealed.After(s.Hours.Sealed) || e.Sealed.After(s.closedBy(e))) {
		return &VoidError{Reason: fmt.Sprintf("seals through %s: known before, or not closed", e.Sealed)}
	}
	switch e.Kind {
	case KindConfig:
		return s.validateConfig(e.Config)
	case KindCommit:
		return s.validateCommit(object, e.Commit)
	case KindClose:
		return s.validateClose(e)
	case KindRetire:
		return s.validateRetire(object, e.Retire)
	case KindForget:
		return s.validateForget(e.Forget)
	}
	return nil
}

func (s *State) validateCommit(object string, c *Commit) error {
	for i := range c.Lanes {
		l := &c.Lanes[i]
		if v := s.Base(l.Lane); v != l.Base {
			return &VoidError{Lane: l.Lane, Entry: v, Reason: fmt.Sprintf("the work is based on version %d", l.Base)}
		}
		if s.Lanes.ByName[l.Lane] == nil && l.Acquired < s.Lanes.Floor {
			return &VoidError{Lane: l.Lane, Entry: s.Lanes.Floor - 1, Reason: fmt.Sprintf("it was acquired before entry %d, and may have been read and forgotten since", l.Acquired)}
		}
	}
	for _, h := range c.Hours {
		if !s.Genesis.HourOf(h.Hour).Equal(h.Hour) {
			return corrupt(object, "%s is not the start of an hour", h.Hour)
		}
		if h.Hour.Before(s.Hours.Closed) {
			return &VoidError{Entry: s.Hours.ClosedEntry, Reason: fmt.Sprintf("hour %s is closed", h.Hour)}
		}
	}
	maxTime := make(map[record.Partition]string)
	for i := range c.Lanes {
		l := &c.Lanes[i]
		for k := range l.Partitions {
			p := &l.Partitions[k]
			if other, twice := maxTime[p.Partition]; twice {
				return corrupt(object, "partition %s in lanes %q and %q", p.Partition, other, l.Lane)
			}
			maxTime[p.Partition] = l.Lane
			if err := s.validatePartition(object, c, l.Lane, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *State) validatePartition(object string, c *Commit, lane string, p *PartitionCommit) error {
	old := s.Lanes.Partitions[p.Partition]
	if old == nil {
		old = &Partition{Lane: lane}
		if s.Lanes.Finished.Has(p.Partition) {
			return &VoidError{Lane: lane, Entry: s.Last, Reason: fmt.Sprintf("partition %s has ended, and was forgotten", p.Partition)}
		}
	}
	switch {
	case old.Retired:
		return &VoidError{Lane: lane, Entry: s.Base(lane), Reason: fmt.Sprintf("partition %s is retired", p.Partition)}
	case old.Lane != lane && !c.touches(old.Lane):
		return corrupt(object, "partition %s moves to lane %q without touching its lane %q", p.Partition, lane, old.Lane)
	}
	if err := follows(old, p); err != nil {
		return corrupt(object, "partition %s: %v", p.Partition, err)
	}
	for _, child := range p.Progress.Children {
		if child == p.Partition {
			return corrupt(object, "partition %s is its own child", p.Partition)
		}
	}
	return nil
}

func (c *Commit) touches(lane string) bool {
	_, found := slices.BinarySearchFunc(c.Lanes, lane, func(l LaneCommit, name string) int {
		if l.Lane < name {
			return -1
		} else if l.Lane > name {
			return 1
		}
		return 0
	})
	return found
}

// follows checks that p is a step forward from old, and that every record that it reads or that was pending has one fate.
func follows(old *Partition, p *PartitionCommit) error {
	was, is := &old.Progress, &p.Progress
	moved := is.UpTo.Compare(was.UpTo)
	switch {
	case moved < 0:
		return fmt.Errorf("position goes back from %s to %s", was.UpTo, is.UpTo)
	case is.MaxEventTime.Before(was.MaxEventTime):
		return fmt.Errorf("max event time goes back from %s to %s", was.MaxEventTime, is.MaxEventTime)
	case is.Watermark.Before(was.Watermark):
		return fmt.Errorf("watermark goes back from %s to %s", was.Watermark, is.Watermark)
	case is.Watermark.After(was.Watermark) && is.Watermark.After(is.MaxEventTime):
		return fmt.Errorf("watermark %s is after max event time %s", is.Watermark, is.MaxEventTime)
	case is.Watermark.After(was.Watermark) && !is.PendingTime.IsZero() && is.Watermark.After(is.PendingTime):
		return fmt.Errorf("watermark %s passes the oldest pending event %s", is.Watermark, is.PendingTime)
	case was.Ended && (moved != 0 || !is.Ended || !slices.Equal(was.Children, is.Children)):
		return fmt.Errorf("it has ended at %s", was.UpTo)
	case int64(old.PendingLen)+p.Read != int64(p.PendingLen)+p.Counts.Sum():
		return fmt.Errorf("pending %d + read %d is not pending %d + finished %d", old.PendingLen, p.Read, p.PendingLen, p.Counts.Sum())
	case moved == 0 && p.Read > 0:
		return fmt.Errorf("%d records read without a step from %s", p.Read, was.UpTo)
	case is.UpTo.Seq == "" && was.UpTo.Seq == "" && p.Read > is.UpTo.Sub-was.UpTo.Sub:
		return fmt.Errorf("%d records read from %s to %s", p.Read, was.UpTo, is.UpTo)
	case (is.UpTo.Seq == "") != (was.UpTo.Seq == "") && !was.UpTo.IsZero():
		return fmt.Errorf("positions change their form from %s to %s", was.UpTo, is.UpTo)
	}
	if p.PendingBefore > 0 && p.PendingBefore != len(old.PendingBlobs) {
		return fmt.Errorf("its pending set builds on %d blobs, and there are %d", p.PendingBefore, len(old.PendingBlobs))
	}
	return nothingPendingAgain(old, p)
}

// nothingPendingAgain checks that no finished record is pending: a pending record was pending before or is new.
func nothingPendingAgain(old *Partition, p *PartitionCommit) error {
	first := p.Progress.Pending.First
	if first.IsZero() || len(old.PendingBlobs) > 0 {
		return nil
	}
	if oldest := old.Progress.Pending.First; !oldest.IsZero() {
		if first.Compare(oldest) < 0 {
			return fmt.Errorf("%s is pending again", first)
		}
	} else if first.Compare(old.Progress.UpTo) <= 0 {
		return fmt.Errorf("%s is pending again", first)
	}
	return nil
}

func (s *State) validateRetire(object string, r *Retire) error {
	if v := s.Base(r.Lane); v != r.Base {
		return &VoidError{Lane: r.Lane, Entry: v, Reason: fmt.Sprintf("the work is based on version %d", r.Base)}
	}
	old := s.Lanes.Partitions[r.Partition]
	switch {
	case old == nil && s.Lanes.Finished.Has(r.Partition):
		return &VoidError{Lane: r.Lane, Reason: fmt.Sprintf("partition %s has ended, and was forgotten", r.Partition)}
	case old == nil:
		return nil
	case old.Retired:
		return &VoidError{Lane: r.Lane, Reason: fmt.Sprintf("partition %s is retired", r.Partition)}
	case old.Lane != r.Lane:
		return corrupt(object, "partition %s is in lane %q, not %q", r.Partition, old.Lane, r.Lane)
	}
	return nil
}

// validateConfig lets a newer generation add topics and sources, and the same one add partitions. It lets a topic or a
// source go only if no hour waits for one of its partitions any more: they leave by Retire. So a name cannot come to mean
// another cluster while partitions of the one that had it are there.
func (s *State) validateConfig(c *Config) error {
	grows := c.Generation == s.Config.Generation && c.sameInput(&s.Config) && !slices.Equal(c.Logs, s.Config.Logs)
	if c.Generation <= s.Config.Generation && !grows {
		return &VoidError{Reason: fmt.Sprintf("generation %d is not above %d", c.Generation, s.Config.Generation)}
	}
	for _, l := range s.Config.Logs {
		if i, found := slices.BinarySearchFunc(c.Logs, l, Log.compare); !found || c.Logs[i].Partitions < l.Partitions {
			return &VoidError{Reason: fmt.Sprintf("log %q had %d partitions, and it is left out or has fewer", l.Source, l.Partitions)}
		}
	}
	if c.sameInput(&s.Config) {
		return nil
	}
	for p, st := range s.Lanes.Partitions {
		if left := c.without(&s.Config, p); left != "" && !st.free() {
			return &VoidError{Lane: st.Lane, Reason: fmt.Sprintf("%s, but partition %s is not retired", left, p)}
		}
	}
	return nil
}

func (s *State) validateForget(f *Forget) error {
	if f.Generation != s.Config.Generation {
		return &VoidError{Entry: s.Last, Reason: fmt.Sprintf("the topics are those of generation %d, not %d", s.Config.Generation, f.Generation)}
	}
	if len(f.Over) > 0 {
		spent := s.Lanes.Spent(s.Last + 1)
		for _, h := range f.Over {
			if _, ok := spent[h]; !ok {
				return &VoidError{Entry: s.Last, Reason: "a partition that is to be forgotten is not known, or has more to come"}
			}
		}
	}
	for _, h := range f.Gone {
		if _, ok := s.Lanes.Finished.at[h]; !ok {
			return &VoidError{Entry: s.Last, Reason: "a partition that is gone was not finished"}
		}
	}
	return nil
}
