package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Advance returns the progress to commit for a partition whose progress was prev and for which the engine says cut. It
// is the only place where a watermark is made:
//
//	watermark = max(previous watermark, min(max event time - lateness, time of the oldest pending event))
//
// So a watermark never goes back, also not for a late record that is pending, and no row of a pending record can become late because
// of its own waiting. While pending records of the base are still coming back (replaying) no clock moves, since the ledger
// names positions, not times. A negative lateness means that hours are not closed: watermarks stay what they are.
//
// Whatever cut says, an entry can hold what comes out: a clock that is none stays what it was, and the time of a pending event
// becomes the nearest one that there is.
func Advance(prev, cut driver.Progress, lateness time.Duration, replaying bool) driver.Progress {
	cut.MaxEventTime, cut.Arrived = fitsOr(cut.MaxEventTime, prev.MaxEventTime), fitsOr(cut.Arrived, prev.Arrived)
	if !cut.PendingTime.IsZero() {
		cut.PendingTime = when.Clamp(cut.PendingTime)
	}
	next := cut
	next.Watermark = prev.Watermark
	if replaying {
		next.MaxEventTime, next.Jump = prev.MaxEventTime, prev.Jump
		if !next.PendingTime.IsZero() && !prev.PendingTime.IsZero() && prev.PendingTime.Before(next.PendingTime) {
			next.PendingTime = prev.PendingTime
		}
		return next
	}
	next.MaxEventTime = when.Later(prev.MaxEventTime, cut.MaxEventTime)
	if lateness < 0 || next.MaxEventTime.IsZero() {
		return next
	}
	watermark := next.MaxEventTime.Add(-lateness)
	if !next.PendingTime.IsZero() && next.PendingTime.Before(watermark) {
		watermark = next.PendingTime
	}
	next.Watermark = when.Later(prev.Watermark, watermark)
	return next
}

// fitsOr is t, or instead if a ledger cannot hold it.
func fitsOr(t, instead time.Time) time.Time {
	if t.IsZero() || when.Fits(t) {
		return t
	}
	return instead
}

type partitionJSON struct {
	Source string `json:"source"`
	Epoch  string `json:"epoch,omitempty"`
	ID     string `json:"id"`
}

func toPartition(p record.Partition) partitionJSON { return partitionJSON{p.Source, p.Epoch, p.ID} }
func (j partitionJSON) partition() record.Partition {
	return record.Partition{Source: j.Source, Epoch: j.Epoch, ID: j.ID}
}

type progressJSON struct {
	UpTo         string          `json:"up_to,omitempty"`
	Pending      *pendingJSON    `json:"pending,omitempty"`
	PendingTime  time.Time       `json:"pending_time,omitzero"`
	MaxEventTime time.Time       `json:"max_event_time,omitzero"`
	Jump         *jumpJSON       `json:"jump,omitempty"`
	Watermark    time.Time       `json:"watermark,omitzero"`
	Arrived      time.Time       `json:"arrived,omitzero"`
	Mark         string          `json:"mark,omitempty"`
	Ended        bool            `json:"ended,omitempty"`
	Children     []partitionJSON `json:"children,omitempty"`
}

type jumpJSON struct {
	To      time.Time `json:"to"`
	Newest  time.Time `json:"newest"`
	Records int       `json:"records"`
}

// toProgress converts the times to UTC, since users' code makes event times.
func toProgress(p *driver.Progress, withoutPending bool) (progressJSON, error) {
	j := progressJSON{
		PendingTime: utc(p.PendingTime), MaxEventTime: utc(p.MaxEventTime), Watermark: utc(p.Watermark), Arrived: utc(p.Arrived), Mark: p.Mark, Ended: p.Ended,
	}
	if p.Jump.Records != 0 {
		j.Jump = &jumpJSON{utc(p.Jump.To), utc(p.Jump.Newest), p.Jump.Records}
	}
	if !p.UpTo.IsZero() {
		j.UpTo = p.UpTo.String()
	}
	if p.Pending.Len() > 0 && !withoutPending {
		pending, err := toPending(p.Pending)
		if err != nil {
			return j, err
		}
		j.Pending = pending
	}
	for _, c := range p.Children {
		j.Children = append(j.Children, toPartition(c))
	}
	return j, nil
}

func (j *progressJSON) progress() (driver.Progress, error) {
	p := driver.Progress{PendingTime: j.PendingTime, MaxEventTime: j.MaxEventTime, Watermark: j.Watermark, Arrived: j.Arrived, Mark: j.Mark, Ended: j.Ended}
	if j.Jump != nil {
		p.Jump = driver.Jump{To: j.Jump.To, Newest: j.Jump.Newest, Records: j.Jump.Records}
	}
	var err error
	if j.UpTo != "" {
		if p.UpTo, err = parsePosition(j.UpTo); err != nil {
			return p, err
		}
	}
	if j.Pending != nil {
		if p.Pending, err = j.Pending.pending(); err != nil {
			return p, err
		}
	}
	for _, c := range j.Children {
		p.Children = append(p.Children, c.partition())
	}
	return p, nil
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// parsePosition reads what record.Position.String writes.
func parsePosition(s string) (record.Position, error) {
	seq, sub, composed := strings.Cut(s, "/")
	if !composed {
		seq, sub = "", s
	}
	n, err := strconv.ParseInt(sub, 10, 64)
	if err != nil {
		return record.Position{}, fmt.Errorf("position %q: %w", s, errors.Unwrap(err))
	}
	p := record.Position{Seq: seq, Sub: n}
	if composed && seq == "" || p.String() != s {
		return p, fmt.Errorf("position %q is not in canonical form", s)
	}
	return p, checkPosition(p)
}

const maxSeq = 129 // digits of a Kinesis sequence number, as its API reference has it

func checkPosition(p record.Position) error {
	if p.Sub < 0 || len(p.Seq) > maxSeq || len(p.Seq) > 1 && p.Seq[0] == '0' || strings.Trim(p.Seq, "0123456789") != "" {
		return fmt.Errorf("position %q is not one", p.String())
	}
	return nil
}

type countsJSON struct {
	Written   int64 `json:"written,omitempty"`
	Merged    int64 `json:"merged,omitempty"`
	Filtered  int64 `json:"filtered,omitempty"`
	Duplicate int64 `json:"duplicate,omitempty"`
	Late      int64 `json:"late,omitempty"`
	Dead      int64 `json:"dead,omitempty"`
}

func toCounts(c record.Counts) countsJSON {
	return countsJSON{
		Written: c[record.Written], Merged: c[record.Merged], Filtered: c[record.Filtered],
		Duplicate: c[record.Duplicate], Late: c[record.Late], Dead: c[record.Dead],
	}
}

func (j countsJSON) counts() record.Counts {
	return record.Counts{
		record.Written: j.Written, record.Merged: j.Merged, record.Filtered: j.Filtered,
		record.Duplicate: j.Duplicate, record.Late: j.Late, record.Dead: j.Dead,
	}
}
