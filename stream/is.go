package stream

import "slices"

// Is makes a condition for Filter, a flow's Where or a join's left side. It is true for an event e if of(e) is in want; IsNot
// is true for the rest. So flows by kind need one function, which returns the kind:
//
//	{Name: "clicks", Where: stream.Is((*Hit).Kind, "click", "tap"), ...},
//	{Name: "others", Where: stream.IsNot((*Hit).Kind, "click", "tap", "view"), ...},
//
// Conditions need not exclude each other: an event goes to all flows that want it. of must be a pure function.
func Is[T any, K comparable](of func(*T) K, want ...K) func(*T) bool {
	if of == nil {
		panic("stream: Is and IsNot need a function that names the kind of an event, and got nil") // a nil Where would take all
	}
	want = slices.Clone(want) // the caller's slice may change
	if len(want) == 1 {
		only := want[0]
		return func(e *T) bool { return of(e) == only }
	}
	return func(e *T) bool { return slices.Contains(want, of(e)) }
}

// IsNot makes the opposite condition: true for the events whose kind, as of returns it, is none of values.
func IsNot[T any, K comparable](of func(*T) K, values ...K) func(*T) bool {
	is := Is(of, values...)
	return func(e *T) bool { return !is(e) }
}
