package lane

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// pendingLane is a cut of a lane that holds positions 1, 3 and 4 of partition 0 and 2 of partition 1.
func pendingLane(t *testing.T) (*testLane, map[record.Partition]driver.Progress) {
	t.Helper()
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a a:hold", "b b:emit=b", "c c:hold", "d d:hold", "e")
	l.feed(1, "f", "g g:hold")
	return l, l.cut().Partitions
}

func pending(part int, at int64, value string) *driver.Batch {
	return &driver.Batch{Lane: "p/0", Records: []record.Record{rec(part, at, value)}}
}

func TestACutNamesWhatIsPending(t *testing.T) {
	_, at := pendingLane(t)
	p := at[testParts[0]]
	if p.UpTo.Sub != 5 || p.Pending.First.Sub != 1 || !slices.Equal(p.Pending.Ordinals, []uint32{0, 2, 3}) || p.Pending.Through != 5 {
		t.Errorf("got %+v, want 1, 3 and 4 of 5 pending", p)
	}
	if !p.PendingTime.Equal(minute(1)) || !p.MaxEventTime.Equal(minute(5)) {
		t.Errorf("got PendingTime %v and MaxEventTime %v, want %v and %v", p.PendingTime, p.MaxEventTime, minute(1), minute(5))
	}
	p = at[testParts[1]]
	if p.UpTo.Sub != 2 || p.Pending.First.Sub != 2 || !slices.Equal(p.Pending.Ordinals, []uint32{0}) || p.Pending.Through != 1 {
		t.Errorf("got %+v, want 2 of 2 pending", p)
	}
}

func TestRowsWaitUntilAllPendingRecordsAreBack(t *testing.T) {
	_, at := pendingLane(t)
	l := newTestLane(t, at, &say{})
	released := 0
	for _, b := range []*driver.Batch{pending(0, 1, "a a:emit=A"), pending(1, 2, "g g:emit=G"), pending(0, 3, "c c:emit=C")} {
		b.Done = func() { released++ }
		if err := l.try(b); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.txn.rows) != 0 || released != 0 || l.core.intake.ready() {
		t.Errorf("before position 4 is back: rows %v, %d batches released", l.txn.rows, released)
	}
	if _, ok, _ := l.core.Cut(); ok {
		t.Error("the lane is part of a cut while pending records come back")
	}
	if err := l.try(pending(0, 4, "d d:hold")); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(l.txn.rows); !slices.Equal(l.txn.rows, []string{"A", "C", "G"}) || released != 3 {
		t.Errorf("got rows %v and %d batches released, want A, C, G and 3", l.txn.rows, released)
	}
	c := l.cut()
	p := c.Partitions[testParts[0]]
	if p.UpTo.Sub != 5 || p.Pending.First.Sub != 4 || p.Pending.Len() != 1 || p.Pending.Through != 2 || c.Read[testParts[0]] != 0 {
		t.Errorf("got %+v and %d read, want 4 of 5 pending and none read", p, c.Read[testParts[0]])
	}
	if got, want := c.Counts[testParts[0]], (record.Counts{record.Written: 2}); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
}

func TestReplayedRecordsAreMarked(t *testing.T) {
	_, at := pendingLane(t)
	at[testParts[0]] = driver.Progress{}
	var got []bool
	l := newTestLane(t, at, does(func(e record.Event[string], out *stage.Emitter[string]) {
		ref := out.Lookup(e.Origin)
		got = append(got, ref.Replayed)
		if ref.Position.Sub == 0 || ref.Partition == nil {
			t.Errorf("Lookup(%v) = %+v", e.Origin, ref)
		}
	}))
	for _, b := range []*driver.Batch{pending(1, 2, "g"), l.batch(1, "h"), l.batch(0, "a")} {
		if err := l.try(b); err != nil {
			t.Fatal(err)
		}
	}
	if want := []bool{true, false, false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheReplayBarrierCatchesASourceThatBreaksItsContract(t *testing.T) {
	for _, test := range []struct {
		name  string
		feed  func(l *testLane) *driver.Batch
		want  error
		words string
	}{
		{"a new record", func(l *testLane) *driver.Batch { return l.batch(1, "h") }, ErrSource, "before 4 pending records"},
		{"a pending record is left out", func(*testLane) *driver.Batch { return pending(0, 3, "c") }, driver.ErrLost, "1 before it"},
		{"the end of a partition", func(*testLane) *driver.Batch {
			return &driver.Batch{Lane: "p/0", Ended: []driver.Ended{{Partition: testParts[1]}}}
		}, ErrSource, "before 1 of its pending"},
		{"a partition of another lane", func(*testLane) *driver.Batch {
			return &driver.Batch{Lane: "p/0", Records: []record.Record{{Partition: &record.Partition{ID: "other"}, Position: record.Position{Sub: 1}}}}
		}, ErrSource, "no partition of lane"},
		{"no partition", func(*testLane) *driver.Batch { return &driver.Batch{Lane: "p/0", Records: make([]record.Record, 1)} }, ErrSource, "no partition"},
		{"the end of an unknown partition", func(*testLane) *driver.Batch {
			return &driver.Batch{Lane: "p/0", Ended: []driver.Ended{{Partition: record.Partition{ID: "other"}}}}
		}, ErrSource, "no partition of lane"},
		{"warm-up that nobody wants", func(*testLane) *driver.Batch { return &driver.Batch{Lane: "p/0", Warm: true} }, ErrSource, "did not ask"},
	} {
		_, at := pendingLane(t)
		l := newTestLane(t, at, &say{})
		if err := l.try(test.feed(l)); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%s: got error %v, want %v that says %q", test.name, err, test.want, test.words)
		}
	}
}

func TestRecordsThatCameBeforeAreLeftOut(t *testing.T) {
	_, at := pendingLane(t)
	l := newTestLane(t, at, &say{})
	// The source delivers from the oldest pending position on and leaves nothing out.
	b := &driver.Batch{Lane: "p/0", Records: []record.Record{rec(0, 1, "a"), rec(0, 2, "b b:emit=twice"), rec(0, 3, "c"), rec(0, 4, "d"), rec(0, 5, "e e:emit=twice"), rec(1, 1, "f"), rec(1, 2, "g")}}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	l.feed(0, "h h:emit=H")
	if err := l.try(pending(0, 6, "h h:emit=twice")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.txn.rows, []string{"H"}) || l.core.intake.redeliver != 4 {
		t.Errorf("got rows %v and %d redelivered, want [H] and 4", l.txn.rows, l.core.intake.redeliver)
	}
	if got, want := l.counts(), (record.Counts{record.Written: 1, record.Filtered: 4}); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
}

// An error about the Kafka offsets 0 and 2 once named 1 and 3.
func TestErrorsNamePositionsAsTheSourceDoes(t *testing.T) {
	_, at := pendingLane(t)
	for want, b := range map[string]*driver.Batch{
		"2 came back, but not the pending record at 0 before it": pending(0, 3, "c"),
		"6 of p/0 came before 4 pending records":                 {Lane: "p/0", Records: []record.Record{rec(0, 7, "x")}},
	} {
		l := newTestLane(t, at, &say{})
		l.core.flight.source.FromZero = true
		if err := l.try(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestPositionsOfABatchMustAscend(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	b := &driver.Batch{Lane: "p/0", Records: []record.Record{rec(0, 5, "a"), rec(1, 1, "b"), rec(0, 7, "c"), rec(1, 2, "d"), rec(0, 6, "e")}}
	if err := l.try(b); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "6 of p/0 came behind 7") {
		t.Errorf("got %v, want an error that names position 6", err)
	}
}

func TestARecordAfterTheEndOfItsPartitionIsAnError(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	b := l.batch(0, "a")
	b.Ended = []driver.Ended{{Partition: testParts[0]}}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	if err := l.try(l.batch(0, "b")); !errors.Is(err, ErrSource) {
		t.Errorf("got %v, want %v", err, ErrSource)
	}
	if p := l.cut().Partitions[testParts[0]]; !p.Ended {
		t.Errorf("got %+v, want the partition ended", p)
	}
}

// seqRec is a record of a partition whose positions have gaps.
func seqRec(seq string, value string) record.Record {
	return record.Record{Partition: &testParts[0], Position: record.Position{Seq: seq, Sub: 1}, Value: []byte(value), Time: minute(int64(len(value)))}
}

func TestOrdinalsCountRecordsWherePositionsHaveGaps(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	b := &driver.Batch{Lane: "p/0", Records: []record.Record{seqRec("100", "a"), seqRec("205", "b b:hold"), seqRec("310", "c"), seqRec("999", "d d:hold"), seqRec("1000", "e")}}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	at := l.cut().Partitions
	h := at[testParts[0]].Pending
	if h.First.Seq != "205" || !slices.Equal(h.Ordinals, []uint32{0, 2}) || h.Through != 4 {
		t.Fatalf("got %+v, want records 0 and 2 of 4 from 205 on", h)
	}
	// A restart: they come back, one stays pending, and new ones follow.
	l = newTestLane(t, at, &say{})
	for _, r := range []record.Record{seqRec("205", "b b:emit=B"), seqRec("999", "d d:hold"), seqRec("999", "d d:hold"), seqRec("1010", "f"), seqRec("1011", "g g:hold")} {
		if err := l.try(&driver.Batch{Lane: "p/0", Records: []record.Record{r}}); err != nil {
			t.Fatal(err)
		}
	}
	h = l.cut().Partitions[testParts[0]].Pending
	if h.First.Seq != "999" || !slices.Equal(h.Ordinals, []uint32{0, 3}) || h.Through != 4 {
		t.Errorf("got %+v, want records 0 and 3 of 4 from 999 on", h)
	}
	l = newTestLane(t, at, &say{})
	if err := l.try(&driver.Batch{Lane: "p/0", Records: []record.Record{seqRec("999", "d")}}); !errors.Is(err, driver.ErrLost) {
		t.Errorf("the oldest pending record does not come back: got %v, want ErrLost", err)
	}
}

func TestUnreadableRecordsTakeTheirPlace(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	bad := func(at int64) driver.DeadLetter {
		return driver.DeadLetter{Record: record.Record{Partition: &testParts[0], Position: record.Position{Sub: at}}, Err: errors.New("corrupt")}
	}
	b := &driver.Batch{Lane: "p/0", Records: []record.Record{rec(0, 1, "a a:hold"), rec(0, 3, "c"), rec(0, 5, "e")}, Unreadable: []driver.DeadLetter{bad(6), bad(2), bad(4)}}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	c := l.cut()
	if got, want := c.Counts[testParts[0]], (record.Counts{record.Filtered: 2, record.Dead: 3}); got != want || c.Read[testParts[0]] != 6 {
		t.Errorf("got fates %v of %d, want %v of 6", got, c.Read[testParts[0]], want)
	}
	if p := c.Partitions[testParts[0]]; p.UpTo.Sub != 6 || p.Pending.Through != 6 {
		t.Errorf("got %+v, want all 6 consumed", p)
	}
	for i, d := range l.txn.dead {
		if d.Record.Position.Sub != int64(2*i+2) || d.Stage != "source" || d.Read.IsZero() {
			t.Errorf("dead letter %d: %+v", i, d)
		}
	}
	if err := l.try(&driver.Batch{Lane: "p/0", Unreadable: []driver.DeadLetter{bad(4)}}); err != nil || len(l.txn.dead) != 3 {
		t.Errorf("an unreadable record that came before: %v, %d dead letters, want no more than 3", err, len(l.txn.dead))
	}
}

func TestPassedPositionsAreNoReasonToCommit(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	pass := &driver.Batch{Lane: "p/0", Passed: []driver.Passed{{Partition: testParts[0], UpTo: record.Position{Sub: 10}}}}
	if err := l.try(pass); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := l.core.Cut(); ok {
		t.Error("a cut for nothing but passed positions")
	}
	l.feed(1, "a")
	if p := l.cut().Partitions[testParts[0]]; p.UpTo.Sub != 10 {
		t.Errorf("got %v, want 10", p.UpTo)
	}
	if err := l.try(&driver.Batch{Lane: "p/0", Passed: []driver.Passed{{Partition: record.Partition{ID: "x"}, UpTo: record.Position{Sub: 1}}}}); !errors.Is(err, ErrSource) {
		t.Errorf("of an unknown partition: got %v, want %v", err, ErrSource)
	}
}

func TestArrivedIsTheTimeOfTheNewestRecord(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a", "b")
	if got := l.cut().Partitions[testParts[0]].Arrived; !got.Equal(minute(2)) {
		t.Errorf("got %v, want %v", got, minute(2))
	}
}

// A producer's times once stood for those at which records came: one that was an hour ahead claimed an hour that nobody had read.
func TestArrivedIsWhatTheSourceSaysOfRecordsThatHaveOtherTimes(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	batch := func(at int64, arrivals ...driver.Arrival) *driver.Batch {
		return &driver.Batch{
			Lane: "p/0", Undated: true, Arrivals: arrivals,
			Records: []record.Record{{Partition: &testParts[0], Position: record.Position{Sub: at}, Value: []byte("a"), Time: minute(500)}},
		}
	}
	if err := l.try(batch(1)); err != nil {
		t.Fatal(err)
	}
	if got := l.cut().Partitions[testParts[0]].Arrived; !got.IsZero() {
		t.Errorf("of records without times of arrival all that had come by %v is read", got)
	}
	if err := l.try(batch(2, driver.Arrival{Partition: testParts[0], At: minute(3)})); err != nil {
		t.Fatal(err)
	}
	if got := l.cut().Partitions[testParts[0]].Arrived; !got.Equal(minute(3)) {
		t.Errorf("got %v, want %v", got, minute(3))
	}
	if err := l.try(batch(3, driver.Arrival{Partition: testParts[0], At: minute(2)})); err != nil {
		t.Fatal(err)
	}
	if got := l.cut().Partitions[testParts[0]].Arrived; !got.Equal(minute(3)) {
		t.Errorf("it went back to %v", got)
	}
	if err := l.try(&driver.Batch{Lane: "p/0", Arrivals: []driver.Arrival{{Partition: record.Partition{ID: "x"}, At: minute(4)}}}); !errors.Is(err, ErrSource) {
		t.Errorf("of an unknown partition: got %v, want %v", err, ErrSource)
	}
}
