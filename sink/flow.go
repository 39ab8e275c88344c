package sink

// Flow is one named output. An event goes to every flow that wants it; one that none wants counts as filtered.
type Flow[T any] struct {
	// Name is the first level of the flow's folders: lower-case letters, digits, dashes and dots, not beginning with a
	// dot. Names beginning with an underscore are the library's own.
	Name string

	// Where chooses the flow's events; nil wants all. It is called once per event and must be a pure function.
	Where func(*T) bool

	Format Format[T]

	// Codec compresses the files.
	//
	// Defaults to None.
	Codec Codec

	// Keys make folders below the hour: day=2025-05-01/hour=06/advertiser=17/. Values are escaped by the library.
	Keys []Key[T]

	Late LatePolicy
}

// Key is one folder level below the hour. Value must be a pure function of the event.
type Key[T any] struct {
	Name  string
	Value func(*T) string
}

// LatePolicy says what becomes of an event whose hour is closed.
type LatePolicy uint8

const (
	LateFlow LatePolicy = iota // to late/<flow>/, under the hour of the event; those folders are never sealed
	LateDrop                   // counted only
)
