package record_test

import (
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// A stage makes another value of an event. Time and origin stay: the origin is how the engine knows when the record is done.
func ExampleDerive() {
	in := record.Event[string]{Value: "42", Time: time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC), Origin: record.NewOrigin(7)}
	out := record.Derive(&in, len(in.Value))
	fmt.Println(out.Value, out.Time.Format(time.TimeOnly), out.Origin == in.Origin)
	// Output: 2 06:00:00 true
}

// What outlives its batch must own its bytes.
func ExampleRecord_Clone() {
	buffer := []byte("first")
	r := record.Record{Value: buffer}
	kept := r.Clone()
	copy(buffer, "other") // the source uses its buffer again
	fmt.Printf("%s %s\n", r.Value, kept.Value)
	// Output: other first
}
