package stream_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
)

func TestNamesOfPartitionsAreSafeInALog(t *testing.T) {
	for want, p := range map[string]stream.Partition{
		"hits/17@id":        {Source: "hits", Epoch: "id", ID: "17"},
		"hits/17":           {Source: "hits", ID: "17"},
		`"a b"/"x\ny"@"\""`: {Source: "a b", Epoch: `"`, ID: "x\ny"},
		`"\u202e"/é`:        {Source: "\u202e", ID: "é"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPositionsHaveOneOrder(t *testing.T) {
	sorted := []stream.Position{
		{}, {Sub: 1}, {Sub: 2}, {Sub: 10}, {Seq: "9", Sub: 1}, {Seq: "9", Sub: 2}, {Seq: "10", Sub: 1}, {Seq: "99", Sub: 1}, {Seq: "100", Sub: 1},
	}
	shuffled := slices.Clone(sorted)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.SortFunc(shuffled, stream.Position.Compare)
	if !slices.Equal(shuffled, sorted) {
		t.Errorf("got %v, want %v", shuffled, sorted)
	}
	if !(stream.Position{}).IsZero() || (stream.Position{Sub: 1}).IsZero() {
		t.Error("only the zero position is before the first record")
	}
	if a, b := (stream.Position{Sub: 41}).String(), (stream.Position{Seq: "7", Sub: 2}).String(); a != "41" || b != "7/2" {
		t.Errorf("got %s and %s, want 41 and 7/2", a, b)
	}
}

func TestAClonedRecordOwnsItsBytes(t *testing.T) {
	r := stream.Record{Key: []byte("k"), Value: []byte("v"), Headers: []stream.Header{{Key: "h", Value: []byte("x")}}, Time: t0}
	c := r.Clone()
	r.Key[0], r.Value[0], r.Headers[0].Value[0], r.Headers[0].Key = '-', '-', '-', "-"
	if string(c.Key)+string(c.Value)+c.Headers[0].Key+string(c.Headers[0].Value) != "kvhx" || !c.Time.Equal(t0) {
		t.Errorf("the clone changed with the record: %+v", c)
	}
	if c := (&stream.Record{}).Clone(); c.Value != nil || c.Key != nil {
		t.Errorf("the clone of a tombstone has the value %q, want nil", c.Value)
	}
}

func TestFatesAddUp(t *testing.T) {
	a := stream.Counts{stream.Written: 1, stream.Dead: 2}
	a.Add(stream.Counts{stream.Written: 3, stream.Late: 4})
	if want := (stream.Counts{stream.Written: 4, stream.Late: 4, stream.Dead: 2}); a != want || a.Sum() != 10 {
		t.Errorf("got %v with sum %d, want %v with 10", a, a.Sum(), want)
	}
	var names []string
	for f := range stream.Fate(stream.Fates + 1) {
		names = append(names, f.String())
	}
	if want := []string{"written", "merged", "filtered", "duplicate", "late", "dead", "unknown"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestABudgetOfNilIsNeverOver(t *testing.T) {
	var none *stream.Budget
	if none.Add(1<<40) || none.Used() != 0 || none.Limit() != 0 {
		t.Error("a nil budget counts")
	}
	b := stream.NewBudget(10)
	if b.Add(10) || !b.Add(1) || b.Used() != 11 || b.Limit() != 10 {
		t.Errorf("%d of %d used, want over at 11", b.Used(), b.Limit())
	}
}

func TestAnOriginTellsATestItsNumber(t *testing.T) {
	var out stream.Emitter[int]
	ref := out.Lookup(stream.NewOrigin(7))
	if ref.Position.Sub != 7 || ref.Partition == nil || ref.Replayed {
		t.Errorf("got %+v, want position 7", ref)
	}
	out = *stream.NewEmitter[int](func(stream.Origin) stream.RecordRef { return stream.RecordRef{Replayed: true} })
	if !out.Lookup(stream.NewOrigin(7)).Replayed {
		t.Error("the driver's own lookup is not asked")
	}
	e := stream.Event[int]{Value: 1, Time: time.Unix(5, 0), Origin: stream.NewOrigin(1)}
	if d := stream.Derive(&e, "x"); d.Time != e.Time || d.Origin != e.Origin || d.Value != "x" {
		t.Errorf("got %+v, want time and origin of %+v", d, e)
	}
}
