package lane

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// notes is a stage that notes the values that pass it.
type notes struct{ passed, buried []string }

func (n *notes) Open(*stage.Lane) (stage.Processor[string, string], error) { return n, nil }

func (n *notes) Process(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		n.passed = append(n.passed, strings.Fields(e.Value)[0])
		out.Emit(e)
	}
	return nil
}

func (n *notes) Notes() []record.Note {
	if n.passed == nil {
		return nil
	}
	note := record.Note{Name: "seen", Time: start, Rows: int64(len(n.passed)), Body: []byte(strings.Join(n.passed, " "))}
	n.passed = nil
	return []record.Note{note}
}

func (n *notes) Buried(r *record.Record) {
	n.buried = append(n.buried, r.Position.String()+string(r.Value))
}

func noted(c Cut) (all []string) {
	for _, n := range c.Notes {
		all = append(all, string(n.Body))
	}
	return all
}

func TestNotesAreOfTheRecordsOfTheirCut(t *testing.T) {
	l := newTestLane(t, nil, &notes{}, &say{})
	l.feed(0, "a a:emit=x", "b b:hold")
	if got := noted(l.cut()); !slices.Equal(got, []string{"a b"}) {
		t.Errorf("the first cut has %q, want what was read, also if it is pending", got)
	}
	l.feed(0, "c b:release")
	if got := noted(l.cut()); !slices.Equal(got, []string{"c"}) {
		t.Errorf("the second cut has %q, want what was read since", got)
	}
	if c, ok, err := l.core.Cut(); ok || err != nil || len(c.Notes) > 0 {
		t.Errorf("a lane in which nothing happened is cut: %v, %v, %q", ok, err, noted(c))
	}
}

func TestALaneWithNotesIsFollowed(t *testing.T) {
	for _, c := range []struct {
		l    *testLane
		want bool
	}{{newTestLane(t, nil, &notes{}, &say{}), true}, {newTestLane(t, nil, &say{}), false}} {
		c.l.feed(0, "a a:emit=x")
		if got := c.l.cut().Followed; got != c.want {
			t.Errorf("Followed is %v, want %v", got, c.want)
		}
	}
}

// A cut that comes while pending records are coming back leaves the lane out.
func TestNotesWaitForACutThatHasTheirLane(t *testing.T) {
	from := begunParts()
	from[testParts[0]] = driver.Progress{
		UpTo: record.Position{Sub: 2}, MaxEventTime: minute(0),
		Pending: driver.PendingSet{First: record.Position{Sub: 1}, Ordinals: []uint32{0, 1}, Through: 2}, PendingTime: minute(0),
	}
	l := newTestLane(t, from, &notes{}, &say{})
	back := func(at int64, v string) {
		t.Helper()
		if err := l.try(&driver.Batch{Lane: "p/0", Records: []record.Record{rec(0, at, v)}}); err != nil {
			t.Fatal(err)
		}
	}
	back(1, "a a:hold")
	if c, ok, err := l.core.Cut(); ok || err != nil || len(c.Notes) > 0 {
		t.Fatalf("a lane whose pending records are coming back is cut: %v, %v, %q", ok, err, noted(c))
	}
	back(2, "b b:emit=x")
	if got := noted(l.cut()); !slices.Equal(got, []string{"a b"}) {
		t.Errorf("its first cut has %q, want all that passed", got)
	}
}

func TestDeadLettersAreToldToStagesThatNote(t *testing.T) {
	n := &notes{}
	l := newTestLane(t, nil, n, &say{})
	l.feed(0, "a a:reject=no", "", "c c:emit=bad", "d d:emit=x") // rejected by a later stage, by an earlier one, and by the output
	slices.Sort(n.buried)
	if want := []string{"1a a:reject=no", "2", "3c c:emit=bad"}; !slices.Equal(n.buried, want) {
		t.Errorf("told of %q, want %q", n.buried, want)
	}
	if len(l.txn.dead) != 3 {
		t.Errorf("%d dead letters, want 3", len(l.txn.dead))
	}
}
