package streamtest

import (
	"maps"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// book counts finished records.
type book struct {
	fates    record.Counts
	reasons  map[string]int
	rejected []error
}

func newBook() book { return book{reasons: map[string]int{}} }

func (b book) clone() book {
	b.reasons, b.rejected = maps.Clone(b.reasons), slices.Clone(b.rejected)
	return b
}
