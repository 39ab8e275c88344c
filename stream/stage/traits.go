package stage

import (
	"errors"
	"fmt"
	"strings"
)

// Traits are what a stage is, beside what it does. They are known before it is opened.
type Traits struct {
	// Name is the stage's in errors and dead letters.
	//
	// Defaults to its type's.
	Name string

	// ClaimsFirst says that no stage before it may hold records, because it decides which of several records wins: one that
	// waited earlier could lose on replay what it had won. Run refuses a pipe that breaks this, and a stage that holds in
	// spite of it stops the job.
	ClaimsFirst bool

	// Holds says that its processors call Emitter.Hold, so that Run can refuse it before one that claims first at once.
	Holds bool

	// LaneLocal says that it may bring together the records of one lane only: a join, a count, a local store of IDs. Run
	// refuses it where equal keys may be in several lanes, unless stream.Options.KeysInLanes is set.
	LaneLocal bool

	// Err is why the stage cannot be opened, such as a function that is nil. Run returns it before anything else is done.
	Err error
}

// Describer is a Stage that says what it is. A stage that has no state needs no traits.
type Describer interface {
	// Traits must return the same whenever it is called.
	Traits() Traits
}

// TraitsOf are those that s gives, and a name in any case.
func TraitsOf(s any) (t Traits) {
	if s == nil {
		return Traits{Name: "nil", Err: errors.New("the stage is nil")}
	}
	if d, ok := s.(Describer); ok {
		t = d.Traits()
	}
	if t.Name == "" {
		name, _, _ := strings.Cut(fmt.Sprintf("%T", s), "[")
		t.Name = strings.TrimPrefix(name, "*")
	}
	return t
}
