package stage_test

import (
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

func TestAnOriginTellsATestItsNumber(t *testing.T) {
	var out stage.Emitter[int]
	ref := out.Lookup(record.NewOrigin(7))
	if ref.Position.Sub != 7 || ref.Partition == nil || ref.Replayed {
		t.Errorf("got %+v, want position 7", ref)
	}
	out = *stage.NewEmitter[int](stage.LookupFunc(func(record.Origin) record.Ref { return record.Ref{Replayed: true} }))
	if !out.Lookup(record.NewOrigin(7)).Replayed {
		t.Error("the driver's own lookup is not asked")
	}
	e := record.Event[int]{Value: 1, Time: time.Unix(5, 0), Origin: record.NewOrigin(1)}
	if d := record.Derive(&e, "x"); d.Time != e.Time || d.Origin != e.Origin || d.Value != "x" {
		t.Errorf("got %+v, want time and origin of %+v", d, e)
	}
}

func TestEmitAllCopies(t *testing.T) {
	var out stage.Emitter[string]
	out.Emit(record.Event[string]{Value: "before"})
	in := []record.Event[string]{{Value: "a", Origin: record.NewOrigin(1)}, {Value: "b", Origin: record.NewOrigin(2)}}
	passed := out.EmitAll(in)
	passed[1].Value = "changed"
	events, _ := out.Take()
	if len(events) != 3 || events[1] != in[0] || events[2].Value != "changed" || events[2].Origin != in[1].Origin || in[1].Value != "b" {
		t.Errorf("got %v of %v", events, in)
	}
}
