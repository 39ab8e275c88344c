package sink

import (
	"cmp"

	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/files"
)

// Flow is one named output. An event goes to every flow that wants it; one that none wants counts as filtered.
//
// A panic of Where, of a key's Value or of the Format's encoder makes a dead letter of the event's record, with the panic's
// place. It takes back what was written of the event to other flows, and the job goes on. See record.Recover.
type Flow[T any] struct {
	// Name is the first level of the flow's folders: 1 to 64 lower-case letters, digits, '-', '_' and '.', beginning with a
	// letter or digit. "late" and "dead" are the library's own.
	Name string

	// Where chooses the flow's events; nil wants all. It must be a pure function, since several workers call it at once.
	// stream.Is makes one from the kind of an event.
	Where func(*T) bool

	// Format says how rows become bytes; format.JSONLines is one. It is required.
	Format format.Format[T]

	// Codec compresses the files.
	//
	// Defaults to codec.None.
	Codec codec.Codec

	// Keys make folders below the hour: day=2025-05-01/hour=06/advertiser=17/. Values are escaped, see escape.Append. Each
	// combination of values makes a file in each transaction, so keys with many values make many small files: see Merge.
	Keys []Key[T]

	// Late says what happens to events whose hour is closed.
	//
	// Defaults to LateFlow.
	Late LatePolicy

	// Merge makes one file of an hour for each combination of key values, or several of about Options.FileBytes, instead of
	// one in each transaction. A transaction writes a pack, which has the rows of all keys; once the hour is closed the
	// instances of the job merge its packs, and then seal the hour. So a folder shows nothing of an hour before its seal.
	// Late rows of an hour go into one file in each transaction, without folders of keys. It needs seals. It can be turned on
	// and off at any time, once all instances run a version that knows it.
	Merge bool
}

// Key is one folder level below the hour. Value must be a pure function of the event; several workers call it at once.
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

func (f *Flow[T]) files() files.Flow[T] {
	flow := files.Flow[T]{
		Name: f.Name, Where: f.Where, Format: f.Format, Codec: cmp.Or[codec.Codec](f.Codec, codec.None), DropLate: f.Late == LateDrop,
		Merge: f.Merge,
	}
	for _, k := range f.Keys {
		flow.Keys = append(flow.Keys, files.Key[T](k))
	}
	return flow
}
