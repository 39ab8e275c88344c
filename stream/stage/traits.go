package stage

import (
	"errors"
	"fmt"
	"strings"
)

// Traits describe a stage. The engine reads them before it opens the stage.
type Traits struct {
	// Name is the stage's name in errors and dead letters.
	//
	// Defaults to the name of its type.
	Name string

	// ClaimsFirst says that the first of several records wins in this stage (dedup, counters). No stage before it may hold
	// records: after a restart held records are replayed in another order, and a different one could win. Run refuses a
	// pipe that breaks this, and a stage that holds in spite of it stops the job.
	ClaimsFirst bool

	// Holds says that the stage's processors call Emitter.Hold. So Run can refuse it at once before a stage that claims
	// first.
	Holds bool

	// LaneLocal says that the stage brings together records of one lane only: a join, a count, a local store of IDs. Run
	// refuses it where equal keys may be in several lanes, unless stream.Options.KeysInLanes is set.
	LaneLocal bool

	// Err says why the stage cannot be opened, for example because a function is nil. Run returns it before it does
	// anything else, and does not call Open.
	Err error
}

// Describer is a Stage with Traits. A stage without state needs none.
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
