package record

import "time"

// Note is what a stage writes down about records that passed it, for readers beside the flows: see stage.Noter.
type Note struct {
	// Name tells the notes of different stages apart: 1 to 64 lower-case letters, digits, '-', '_' and '.', beginning with a
	// letter or digit.
	Name string

	// Time chooses the hour's folder. It need not be an event's.
	Time time.Time

	Rows int64  // in Body, at least 1
	Body []byte // whole rows, in a form of the stage's own
}
