package record_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

func TestNamesOfPartitionsAreSafeInALog(t *testing.T) {
	for want, p := range map[string]record.Partition{
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
	sorted := []record.Position{
		{}, {Sub: 1}, {Sub: 2}, {Sub: 10}, {Seq: "9", Sub: 1}, {Seq: "9", Sub: 2}, {Seq: "10", Sub: 1}, {Seq: "99", Sub: 1}, {Seq: "100", Sub: 1},
	}
	shuffled := slices.Clone(sorted)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.SortFunc(shuffled, record.Position.Compare)
	if !slices.Equal(shuffled, sorted) {
		t.Errorf("got %v, want %v", shuffled, sorted)
	}
	if !(record.Position{}).IsZero() || (record.Position{Sub: 1}).IsZero() {
		t.Error("only the zero position is before the first record")
	}
	if a, b := (record.Position{Sub: 41}).String(), (record.Position{Seq: "7", Sub: 2}).String(); a != "41" || b != "7/2" {
		t.Errorf("got %s and %s, want 41 and 7/2", a, b)
	}
}

func TestAClonedRecordOwnsItsBytes(t *testing.T) {
	r := record.Record{Key: []byte("k"), Value: []byte("v"), Headers: []record.Header{{Key: "h", Value: []byte("x")}}, Time: t0}
	c := r.Clone()
	r.Key[0], r.Value[0], r.Headers[0].Value[0], r.Headers[0].Key = '-', '-', '-', "-"
	if string(c.Key)+string(c.Value)+c.Headers[0].Key+string(c.Headers[0].Value) != "kvhx" || !c.Time.Equal(t0) {
		t.Errorf("the clone changed with the record: %+v", c)
	}
	if c := (&record.Record{}).Clone(); c.Value != nil || c.Key != nil {
		t.Errorf("the clone of a tombstone has the value %q, want nil", c.Value)
	}
}

func TestFatesAddUp(t *testing.T) {
	a := record.Counts{record.Written: 1, record.Dead: 2}
	a.Add(record.Counts{record.Written: 3, record.Late: 4})
	if want := (record.Counts{record.Written: 4, record.Late: 4, record.Dead: 2}); a != want || a.Sum() != 10 {
		t.Errorf("got %v with sum %d, want %v with 10", a, a.Sum(), want)
	}
	var names []string
	for f := range record.Fate(record.Fates + 1) {
		names = append(names, f.String())
	}
	if want := []string{"written", "merged", "filtered", "duplicate", "late", "dead", "unknown"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
