package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

var day = time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)

// clock is hh:mm of the test's day.
func clock(s string) time.Time {
	t, err := time.Parse("15:04", s)
	if err != nil {
		panic(err)
	}
	return day.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
}

func token(n int) Token { return Token(fmt.Sprintf("%032x", n)) }

func part(id string) record.Partition { return record.Partition{Source: "topic", Epoch: "1", ID: id} }

func pos(n int64) record.Position { return record.Position{Sub: n} }

func testGenesis() Genesis {
	return Genesis{
		Format: Format, MinReader: MinReader, Job: "job", Epoch: 1, Hour: time.Hour, Layout: LayoutHive2, Source: "test",
		Shards: 1, Shard: ShardSingle, Created: day, Token: token(1),
	}
}

func newState(t testing.TB) *State {
	t.Helper()
	g := testGenesis()
	body, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return NewState(g, HashOf(body))
}

// lane makes the commit of a lane of one partition of the same name: read records up to n, none pending.
func lane(s *State, name string, n int64, maxTime, watermark time.Time) LaneCommit {
	p := PartitionCommit{
		Partition: part(name),
		Progress:  driver.Progress{UpTo: pos(n), MaxEventTime: maxTime, Watermark: watermark},
		Read:      n,
	}
	if old := s.Lanes.Partitions[p.Partition]; old != nil {
		p.Read -= old.Progress.UpTo.Sub
		p.Counts[record.Written] = int64(old.PendingLen)
	}
	p.Counts[record.Written] += p.Read
	return LaneCommit{Lane: name, Base: s.Base(name), Token: token(7), Partitions: []PartitionCommit{p}}
}

// pending makes lane's partition hold the positions.
func (l LaneCommit) pending(oldest time.Time, at ...int64) LaneCommit {
	p := &l.Partitions[0]
	h := driver.PendingSet{First: pos(at[0]), Through: uint64(p.Progress.UpTo.Sub-at[0]) + 1}
	for _, n := range at {
		h.Ordinals = append(h.Ordinals, uint32(n-at[0]))
	}
	p.Progress.Pending, p.Progress.PendingTime, p.PendingLen = h, oldest, len(at)
	p.Counts[record.Written] -= int64(len(at))
	return l
}

func commit(lanes ...LaneCommit) *Entry {
	return &Entry{Kind: KindCommit, Token: token(9), Commit: &Commit{Lanes: lanes}}
}

// files adds an on-time file of one row to each of the hours.
func (e *Entry) files(hours ...time.Time) *Entry {
	for i, h := range hours {
		e.Commit.Files = append(e.Commit.Files, File{
			Flow: "views", Hour: h, Key: fmt.Sprintf("views/%04d-%d", i, h.Unix()), Length: 10, Rows: 1, Ref: []byte{1},
		})
	}
	e.Commit.Hours = SumHours(e.Commit.Files)
	return e
}

func mark(ids ...uint64) *Entry { return &Entry{Kind: KindMark, Token: token(9), Published: ids} }

func closing(from, through, at time.Time, listed ...record.Partition) *Entry {
	return &Entry{Kind: KindClose, Token: token(9), Close: &Close{
		From: from, Through: through, At: at, Lateness: 15 * time.Minute, EmptyHours: 4000, Listed: len(listed), ListedHash: HashPartitions(listed),
		Flows: []string{"views"}, Seal: "_SUCCESS",
	}}
}

func retire(s *State, name, id string) *Entry {
	return &Entry{Kind: KindRetire, Token: token(9), Retire: &Retire{
		Lane: name, Base: s.Base(name), Token: token(8), Partition: part(id), Reason: "gone",
	}}
}

// try prepares, encodes, decodes, validates and folds e, as a driver does.
func try(s *State, e *Entry) error {
	s.Prepare(e)
	if err := s.Validate(e); err != nil {
		return err
	}
	return foldRead(s, e)
}

// foldRead folds e as whoever reads it from the store has it.
func foldRead(s *State, e *Entry) error {
	body, err := e.Encode()
	if err != nil {
		return err
	}
	d, err := Decode(e.ID, body)
	if err != nil {
		return err
	}
	return s.Fold(d, HashOf(body))
}

func must(t testing.TB, s *State, entries ...*Entry) {
	t.Helper()
	for _, e := range entries {
		if err := try(s, e); err != nil {
			t.Fatalf("entry %d, a %s: %v", s.Last+1, e.Kind, err)
		}
	}
}

func wantVoid(t *testing.T, why string, s *State, e *Entry) {
	t.Helper()
	var void *VoidError
	err := try(s, e)
	if !errors.As(err, &void) || !errors.Is(err, driver.ErrFenced) {
		t.Errorf("%s: got %v, want a *VoidError that matches stream.ErrFenced", why, err)
	}
}

func wantCorrupt(t *testing.T, why string, err error) {
	t.Helper()
	var c *CorruptError
	if !errors.As(err, &c) || errors.Is(err, driver.ErrFenced) {
		t.Errorf("%s: got %v, want a *CorruptError", why, err)
	}
}
