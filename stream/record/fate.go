package record

// Fate says how a record ended. Every record read has exactly one, so that per partition, per transaction and in total
// read = Written + Merged + Filtered + Duplicate + Late + Dead + still pending. Rows are counted apart, per flow.
type Fate uint8

const (
	Written   Fate = iota // at least one output row
	Merged                // its content went into a row of another record
	Filtered              // no row wanted
	Duplicate             // another record with its ID won
	Late                  // its hour was closed; see sink.Flow.Late
	Dead                  // rejected; it has a row in the dead-letter flow

	Fates = iota // how many there are
)

var fateNames = [Fates]string{"written", "merged", "filtered", "duplicate", "late", "dead"}

// String returns the fate in lower case.
func (f Fate) String() string {
	if int(f) < len(fateNames) {
		return fateNames[f]
	}
	return "unknown"
}

// Counts holds a number of records for each fate.
type Counts [Fates]int64

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	for i := range c {
		c[i] += d[i]
	}
}

// Sum is the number of finished records.
func (c Counts) Sum() (n int64) {
	for _, v := range c {
		n += v
	}
	return n
}

// Reason is why records have no row: their fate and a label. The label is what Emitter.Drop got. For Dead records it names
// the stage that rejected them and the kind of error. It may come from an event, so it is cut after 64 bytes and made
// printable.
type Reason struct {
	Fate Fate
	Why  string
}
