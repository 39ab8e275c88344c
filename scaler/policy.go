package scaler

import "time"

// Policy says which size a job should have. Its answer depends only on the inputs that it was given since it was made
// or restored: it has no clock and no randomness of its own. It is not safe for concurrent use.
//
// A policy with a memory implements json.Marshaler and json.Unmarshaler; see Options.Memory.
type Policy interface {
	// Want is called once a step, with times that never go back.
	Want(in Input) Want
}

// Input is what a policy decides on.
type Input struct {
	Now     time.Time
	Current Size   // what the target is told to be
	Sample  Sample // usable values only; everything else is unknown

	// Last is the newest change that the Scaler has made or noticed. Its time is zero if there was none.
	Last Change

	// Floor is what another policy asks for at least; see Combined. Its cores, if any, are what copies will have.
	Floor Size
}

// Want is the answer of a policy.
type Want struct {
	Policy string `json:"policy"`
	Size   Size   `json:"size"`
	Why    string `json:"why"`

	// Hold says that the policy keeps the present size because it cannot or must not decide now; Why says which. Size is
	// then the present one.
	Hold bool `json:"hold,omitempty"`

	// Parts are the answers that this one was made of.
	Parts []Want `json:"parts,omitempty"`
}

// Forecaster is a Policy that knows the future. Combined asks it so as not to take one step where the calendar takes
// another soon.
type Forecaster interface {
	// Ahead returns the largest size that the policy will ask for from t until t + d.
	Ahead(t time.Time, d time.Duration) Size
}
