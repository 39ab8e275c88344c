package scaler

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Value is one measured number. The zero Value means "not known", never "zero".
type Value struct {
	Number float64
	At     time.Time // when it was measured, not when it was asked for; the zero time means that it was not
}

// Known gives a Value measured at a time.
func Known(number float64, at time.Time) Value { return Value{Number: number, At: at} }

// Known reports whether v was measured at all.
func (v Value) Known() bool { return !v.At.IsZero() }

// String gives the number, or "unknown".
func (v Value) String() string {
	if !v.Known() {
		return "unknown"
	}
	return fmt.Sprintf("%.4g", v.Number)
}

type jsonValue struct {
	Number float64   `json:"number"`
	At     time.Time `json:"at"`
}

// MarshalJSON gives null for an unknown value and for one that JSON cannot hold.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.Known() || math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(jsonValue(v))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(b []byte) error {
	*v = Value{}
	if string(b) == "null" {
		return nil
	}
	return json.Unmarshal(b, (*jsonValue)(v))
}

// Sample is what is known about a job at one moment. Each value has its own age, since signals differ in how fast they
// are.
type Sample struct {
	Arrival    Value `json:"arrival"`    // records a second that come in
	Done       Value `json:"done"`       // records a second that the job finishes, all copies together
	Lag        Value `json:"lag"`        // records that wait
	Delay      Value `json:"delay"`      // age of the oldest record that waits, in seconds
	Busy       Value `json:"busy"`       // share of time in which a copy has work, 0 to 1, mean of all copies
	Ready      Value `json:"ready"`      // copies that take part now
	Partitions Value `json:"partitions"` // copies beyond this number get no work
}

type field struct {
	name  string
	value *Value
}

func (s *Sample) fields() []field {
	return []field{
		{"arrival", &s.Arrival}, {"done", &s.Done}, {"lag", &s.Lag}, {"delay", &s.Delay},
		{"busy", &s.Busy}, {"ready", &s.Ready}, {"partitions", &s.Partitions},
	}
}

// fillFrom takes from other what s does not know.
func (s *Sample) fillFrom(other Sample) {
	theirs := other.fields()
	for i, f := range s.fields() {
		if !f.value.Known() {
			*f.value = *theirs[i].value
		}
	}
}

// Check clears the values that cannot be used and says why. A Scaler calls it before a policy gets the sample.
func (s *Sample) Check(now time.Time, stale time.Duration) (ignored []string) {
	for _, f := range s.fields() {
		if !f.value.Known() {
			continue
		}
		if why := fault(f.name, *f.value, now, stale); why != "" {
			ignored = append(ignored, f.name+" "+why)
			*f.value = Value{}
		}
	}
	if s.Busy.Number > 1 {
		s.Busy.Number = 1
	}
	return ignored
}

// busyExcess is how far above 1 a busy share may be: its two readings come from clocks that are not quite the same.
const busyExcess = 1.05

func fault(name string, v Value, now time.Time, stale time.Duration) string {
	switch age := now.Sub(v.At); {
	case math.IsNaN(v.Number):
		return "is not a number"
	case math.IsInf(v.Number, 0):
		return "is infinite"
	case v.Number < 0:
		return fmt.Sprintf("is negative (%g)", v.Number)
	case name == "busy" && v.Number > busyExcess:
		return fmt.Sprintf("is above 1 (%g)", v.Number)
	case (name == "ready" || name == "partitions") && v.Number > mostCopies:
		return fmt.Sprintf("is not a number of copies (%g)", v.Number)
	case age > stale:
		return fmt.Sprintf("is %s old", age.Round(time.Second))
	case age < -stale:
		return fmt.Sprintf("is %s in the future", (-age).Round(time.Second))
	}
	return ""
}

// Signal measures a job. A Scaler calls it from one goroutine, once a step.
type Signal interface {
	// Read returns what is known now; what it could not measure stays unknown. An error is recorded in the decision, and
	// the values that were returned with it are used all the same, so a signal that knows half of its values says both.
	Read(ctx context.Context) (Sample, error)
}

// SignalFunc makes a Signal of a function.
type SignalFunc func(ctx context.Context) (Sample, error)

// Read calls f.
func (f SignalFunc) Read(ctx context.Context) (Sample, error) { return f(ctx) }
