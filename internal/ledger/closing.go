package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// NextHour returns the start of the next hour to close; zero if it is not known yet. Before the first Close, without
// Genesis.Start, it is the earlier of the first hour with on-time files and the hour of the smallest watermark. So neither
// a job's beginning nor a bad timestamp makes thousands of empty hours.
func (s *State) NextHour() time.Time {
	if !s.Hours.Closed.IsZero() {
		return s.Hours.Closed
	}
	next := s.Hours.first()
	if watermark, live := s.Lanes.watermark(); live && !watermark.IsZero() {
		if h := s.Genesis.HourOf(watermark); next.IsZero() || h.Before(next) {
			next = h
		}
	}
	return next
}

// Complete is driver.Upkeep.Complete.
func (s *State) Complete(lateness time.Duration) time.Time {
	newest, waits := s.Lanes.Newest(), len(s.Hours.Open) > 0
	for _, p := range s.Lanes.Partitions {
		waits = waits || p.PendingLen > 0
	}
	if !waits || newest.IsZero() {
		return time.Time{}
	}
	return s.Genesis.HourOf(newest).Add(s.Genesis.Hour + max(lateness, 0))
}

// ready returns the time up to which all known partitions allow hours to close. If all have ended it is the end of the last
// hour with files, not the end of time, so that a historic load closes only what it wrote.
func (s *State) ready() time.Time {
	watermark, live := s.Lanes.watermark()
	if live {
		return watermark
	}
	if last := s.Hours.last(); !last.IsZero() {
		return last.Add(s.Genesis.Hour)
	}
	return time.Time{}
}

// CloseDue returns the range of hours that could close, if the clock is now and the source lists no unknown partition.
// Their end is at least lateness ago, all known partitions have passed them, and their files are published. Then it is
// worth asking the source, and CheckClose decides. unpublished are the entries that are not known to be published: at most
// s.Unpublished.
func (s *State) CloseDue(now time.Time, lateness time.Duration, unpublished map[uint64]Unpublished) (from, through time.Time, ok bool) {
	from = s.NextHour()
	if from.IsZero() || lateness < 0 || !s.Lanes.begun() {
		return from, through, false
	}
	through = s.Genesis.HourOf(when.Earlier(s.ready(), now.Add(-lateness)))
	for _, p := range unpublished {
		if len(p.Hours) > 0 {
			through = when.Earlier(through, p.Hours[0])
		}
	}
	return from, through, from.Before(through)
}

// validateClose makes the checks that need no source. A Close that fails one is void, and the closer looks and asks again.
// Only one Close at a time may be without seals, so that seals come in order whoever writes them.
func (s *State) validateClose(e *Entry) error {
	c := e.Close
	void := func(format string, args ...any) error {
		return &VoidError{Entry: s.Last, Reason: fmt.Sprintf(format, args...)}
	}
	if next := s.NextHour(); !c.From.Equal(next) {
		return void("hours close in order: the next one is %s, not %s", next, c.From)
	}
	if !s.Genesis.HourOf(c.Through).Equal(c.Through) {
		return corrupt(fmt.Sprintf("entry %d", e.ID), "%s is not the end of an hour", c.Through)
	}
	if s.Hours.ClosedEntry != 0 && when.Later(s.Hours.Sealed, e.Sealed).Before(s.Hours.Closed) {
		return void("the hours through %s are closed and not known to be sealed", s.Hours.Closed)
	}
	if c.Generation != s.Config.Generation {
		return void("the topics are those of generation %d, not %d", s.Config.Generation, c.Generation)
	}
	if c.At.Add(-c.Lateness).Before(c.Through) {
		return void("%s is less than %s after %s", c.At, c.Lateness, c.Through)
	}
	if ready := s.ready(); ready.Before(c.Through) || !s.Lanes.begun() {
		return void("partitions have got to %s only", ready)
	}
	if g, found := s.Gap(c.From, c.Through, c.At, c.EmptyHours); found {
		return void("%s", g.String())
	}
	if s.Hours.HasPacks(c.Through) && (c.Merge == nil || s.Genesis.Hours(c.From, c.Through) > MaxMergedHours) {
		return void("an hour before %s has packs: such a close says how they are merged, and has at most %d hours", c.Through, MaxMergedHours)
	}
	for id, p := range s.Unpublished {
		if len(p.Hours) > 0 && p.Hours[0].Before(c.Through) && !slices.Contains(e.Published, id) {
			return void("files of entry %d are not published", id)
		}
	}
	return nil
}

// closedBy is Closed as it will be with e.
func (s *State) closedBy(e *Entry) time.Time {
	if e.Close != nil {
		return when.Later(s.Hours.Closed, e.Close.Through)
	}
	return s.Hours.Closed
}

// CheckClose is Validate for a Close. It also checks the partitions that the source listed after e.Close.At was read: each
// must be known and have passed the hours, so that no new one is left out.
func (s *State) CheckClose(e *Entry, listed []record.Partition) error {
	if err := s.Validate(e); err != nil {
		return err
	}
	if e.Close == nil || e.Close.Listed != len(listed) || e.Close.ListedHash != HashPartitions(listed) {
		return corrupt(fmt.Sprintf("entry %d", e.ID), "it was made with another list of partitions")
	}
	for _, p := range listed {
		if !s.Lanes.knows(p) {
			return &VoidError{Entry: s.Last, Reason: fmt.Sprintf("partition %s exists and has no progress", p)}
		}
	}
	return nil
}

// HashPartitions returns Close.ListedHash: the SHA-256 of the sorted partitions, each as a JSON array of source, epoch and
// ID, and a newline.
func HashPartitions(list []record.Partition) Hash {
	sorted := slices.SortedFunc(slices.Values(list), record.Partition.Compare)
	sum := sha256.New()
	for _, p := range sorted {
		hashPartition(sum, p)
	}
	return Hash(hex.EncodeToString(sum.Sum(nil)))
}

func hashPartition(sum hash.Hash, p record.Partition) {
	enc := json.NewEncoder(sum) // ends the line
	enc.SetEscapeHTML(false)
	if err := enc.Encode([3]string{p.Source, p.Epoch, p.ID}); err != nil {
		panic(err) // a hash takes everything, and strings can be encoded
	}
}

// Blocker is something that an hour waits for.
type Blocker struct {
	Kind BlockerKind

	// Partition, Lane, Watermark, MaxEventTime, Jump, Pending and PendingTime tell about a partition that has not passed the hour, or is not known.
	Partition    record.Partition
	Lane         string
	Watermark    time.Time
	MaxEventTime time.Time
	Jump         driver.Jump
	Pending      int
	PendingTime  time.Time

	Entry uint64    // whose files are not published
	Until time.Time // the time that the store's clock must reach
	Gap   Gap       // of hours without files that is too long
}

// BlockerKind says what kind of thing an hour waits for.
type BlockerKind string

const (
	BlockedByPartition BlockerKind = "partition" // it has not passed the hour
	BlockedByUnknown   BlockerKind = "unknown"   // the source has a partition that nobody has committed anything of
	BlockedByEntry     BlockerKind = "entry"     // its files are not known to be published
	BlockedByClock     BlockerKind = "clock"
	BlockedByGap       BlockerKind = "empty hours" // too many in a row would be empty
	BlockedByNothing   BlockerKind = "idle"        // all partitions have ended, and no hour from this one on has files
)

// Blockers returns, for people, what keeps the hours up to end from closing: what Validate and CheckClose would refuse.
// empty is Close.EmptyHours, and listed are the partitions that the source has.
func (s *State) Blockers(end, now time.Time, lateness time.Duration, empty int64, listed []record.Partition) []Blocker {
	var out []Blocker
	if from, through, due := s.CloseDue(now, lateness, s.Unpublished); due {
		if g, found := s.Gap(from, through, now, empty); found {
			out = append(out, Blocker{Kind: BlockedByGap, Gap: g})
		}
	}
	for p, st := range s.Lanes.Partitions {
		if pr := &st.Progress; !st.free() && pr.Watermark.Before(end) {
			out = append(out, Blocker{Kind: BlockedByPartition, Partition: p, Lane: st.Lane, Watermark: pr.Watermark, MaxEventTime: pr.MaxEventTime, Jump: pr.Jump,
				Pending: st.PendingLen, PendingTime: pr.PendingTime})
		}
	}
	for _, p := range listed {
		if !s.Lanes.knows(p) {
			out = append(out, Blocker{Kind: BlockedByUnknown, Partition: p})
		}
	}
	for id, p := range s.Unpublished {
		if len(p.Hours) > 0 && p.Hours[0].Before(end) {
			out = append(out, Blocker{Kind: BlockedByEntry, Entry: id})
		}
	}
	if until := end.Add(lateness); now.Before(until) {
		out = append(out, Blocker{Kind: BlockedByClock, Until: until})
	}
	if _, live := s.Lanes.watermark(); !live && s.ready().Before(end) {
		out = append(out, Blocker{Kind: BlockedByNothing})
	}
	slices.SortFunc(out, func(a, b Blocker) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Partition.Compare(b.Partition), cmp.Compare(a.Entry, b.Entry))
	})
	return out
}

// Gap returns the first run of empty hours that is too long for a Close of the hours from from up to through.
func (s *State) Gap(from, through, at time.Time, extra int64) (Gap, bool) {
	most := s.Genesis.EmptyHours(at, extra)
	if most < 0 || s.Genesis.Hours(from, through) <= most {
		return Gap{}, false
	}
	var borders []time.Time
	for h := range s.Hours.Open {
		if !h.Before(from) && h.Before(through) {
			borders = append(borders, h)
		}
	}
	slices.SortFunc(borders, time.Time.Compare)
	for _, h := range append(borders, through) {
		if n := s.Genesis.Hours(from, h); n > most {
			return s.gap(Gap{From: from, Through: h, Hours: n, Allowed: most}), true
		}
		from = h.Add(s.Genesis.Hour)
	}
	return Gap{}, false
}

// gap finds what g begins with. Before the first Close that is an hour with files, or the start hour. Without either, no
// hour before the smallest watermark is due.
func (s *State) gap(g Gap) Gap {
	if h := s.Hours.Open[g.From.Add(-s.Genesis.Hour)]; h != nil {
		g.Entry = h.First
	} else {
		g.Entry, g.AtClose = s.Hours.ClosedEntry, s.Hours.ClosedEntry != 0
	}
	return g
}
