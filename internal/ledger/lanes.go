package ledger

import (
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Lanes are the lanes and partitions of a State: how far each partition is, and in which lane.
type Lanes struct {
	ByName     map[string]*Lane
	Partitions map[record.Partition]*Partition

	// Floor is the smallest LaneCommit.Acquired that is still safe: no unknown lane was touched by that entry or a later
	// one.
	Floor    uint64
	Over     int64     // partitions that were forgotten
	Finished *Finished // those of them that the source may still list; shared by no copy
}

// Lane is the state of a lane that was touched. A *Lane of a State is never changed, only replaced.
type Lane struct {
	Version uint64 // the entry that last touched it
	Token   Token  // of the acquisition under which that entry was written

	// parts are all partitions of the lane. Copies of the state share the array: its elements never change, and only the
	// state that was copied may append to it.
	parts []record.Partition
}

// Partition is the state of a partition. A *Partition of a State is never changed, only replaced.
type Partition struct {
	Lane     string
	Progress driver.Progress // without Pending if there are PendingBlobs

	// PendingBlobs have the pending set if it was too long for an entry: the first a whole set, each later one what
	// changes.
	PendingBlobs []*Blob

	PendingLen int
	Retired    bool
	Read       int64
	Counts     record.Counts
}

// free reports whether p limits neither clocks nor closes, because no more records of it will come.
func (p *Partition) free() bool { return p.Retired || p.Progress.Ended && p.PendingLen == 0 }

// bound is the minimum of times.
type bound struct {
	min time.Time
	any bool
}

func (b *bound) add(t time.Time) {
	if !b.any || t.Before(b.min) {
		b.min, b.any = t, true
	}
}

// Watermark returns the watermark of a lane: the smallest of its partitions, which are parts and all that the state knows
// in that lane. It is zero if one of them has none. Partitions that were retired, or have ended and hold nothing, do not
// count as long as there is another one. An event is late if its hour ends at or before the greater of Watermark and
// Closed.
func (ls *Lanes) Watermark(lane string, parts []record.Partition) time.Time {
	var live, rest bound
	if l := ls.ByName[lane]; l != nil {
		for _, p := range l.parts {
			if st := ls.Partitions[p]; st.free() {
				rest.add(st.Progress.Watermark)
			} else {
				live.add(st.Progress.Watermark)
			}
		}
	}
	for _, p := range parts {
		if st := ls.Partitions[p]; st == nil {
			if !ls.Finished.Has(p) {
				live.add(time.Time{})
			}
		} else if st.Lane != lane && !st.free() {
			live.add(st.Progress.Watermark)
		}
	}
	if live.any {
		return live.min
	}
	return rest.min
}

// Resume returns where to read a partition from: its progress, and the blobs of its pending set if that was too long, the
// whole set first. A retired partition is returned as ended and with nothing pending, so that nothing of it is read; a
// Commit must leave it out.
func (ls *Lanes) Resume(p record.Partition) (progress driver.Progress, pending []*Blob) {
	st := ls.Partitions[p]
	switch {
	case st == nil:
		progress, _ = ls.Finished.progress(p)
		return progress, nil
	case st.Retired:
		was := st.Progress
		return driver.Progress{UpTo: was.UpTo, MaxEventTime: was.MaxEventTime, Watermark: was.Watermark, Arrived: was.Arrived, Mark: was.Mark, Ended: true}, nil
	}
	return st.Progress, st.PendingBlobs
}

// Clock returns how far the committed event time of the whole job has got. Shared state may expire by this clock alone.
func (ls *Lanes) Clock() record.Clock {
	var live, rest bound
	var c record.Clock
	for _, p := range ls.Partitions {
		if p.free() {
			rest.add(p.Progress.MaxEventTime)
			continue
		}
		live.add(p.Progress.MaxEventTime)
		if t := p.Progress.PendingTime; !t.IsZero() && (c.Pending.IsZero() || t.Before(c.Pending)) {
			c.Pending = t
		}
	}
	c.MaxEventTime = rest.min
	if live.any {
		c.MaxEventTime = live.min
	}
	return c
}

// watermark is the smallest one of the partitions that are not free; live is false if there are none.
func (ls *Lanes) watermark() (watermark time.Time, live bool) {
	var b bound
	for _, p := range ls.Partitions {
		if !p.free() {
			b.add(p.Progress.Watermark)
		}
	}
	return b.min, b.any
}

// AllEnded reports whether no known partition can give a record any more.
func (ls *Lanes) AllEnded() bool {
	_, live := ls.watermark()
	return !live
}

// Newest is the newest Progress.MaxEventTime; zero if there is none.
func (ls *Lanes) Newest() (newest time.Time) {
	for _, p := range ls.Partitions {
		newest = when.Later(newest, p.Progress.MaxEventTime)
	}
	return newest
}

func (ls *Lanes) touch(lane string, version uint64, token Token) {
	next := Lane{Version: version, Token: token}
	if old := ls.ByName[lane]; old != nil {
		next.parts = old.parts
	}
	ls.ByName[lane] = &next
}

// put sets the state of a partition, and adds it to its lane's list. The same entry touches the lane.
func (ls *Lanes) put(p record.Partition, next *Partition) {
	old := ls.Partitions[p]
	ls.Partitions[p] = next
	if old != nil && old.Lane == next.Lane {
		return
	}
	to := Lane{}
	if l := ls.ByName[next.Lane]; l != nil {
		to = *l
	}
	to.parts = append(to.parts, p) // behind the end of the list in copies of the state
	ls.ByName[next.Lane] = &to
}

// foldChildren adds the children of an ended partition to its lane, with its clocks. From this entry on the parent no
// longer holds hours open, so the children must. Later entries do not change them, since by then they have clocks of their
// own. A child of two parents has the earlier clocks.
func (ls *Lanes) foldChildren(lane string, p *PartitionCommit) {
	for _, c := range p.Progress.Children {
		child := Partition{Lane: lane, Progress: driver.Progress{MaxEventTime: p.Progress.MaxEventTime, Watermark: p.Progress.Watermark, Arrived: p.Progress.Arrived}}
		if old := ls.Partitions[c]; old != nil {
			if !old.Progress.UpTo.IsZero() || old.Progress.Ended || old.Retired {
				continue
			}
			child = *old
			child.Progress.MaxEventTime = when.Earlier(old.Progress.MaxEventTime, p.Progress.MaxEventTime)
			child.Progress.Watermark = when.Earlier(old.Progress.Watermark, p.Progress.Watermark)
			child.Progress.Arrived = when.Earlier(old.Progress.Arrived, p.Progress.Arrived)
		}
		ls.put(c, &child)
	}
}

// retire touches the lane, which makes a commit of that partition in progress void.
func (ls *Lanes) retire(e *Entry) {
	r := e.Retire
	next := Partition{Lane: r.Lane}
	if old := ls.Partitions[r.Partition]; old != nil {
		next = *old
	}
	next.Retired = true
	ls.put(r.Partition, &next)
	ls.touch(r.Lane, e.ID, r.Token)
}
