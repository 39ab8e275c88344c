package audit

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Word says something of a batch. A batch has one or more.
type Word string

const (
	Complete   Word = "complete"   // all of its lines were read, some perhaps as dead letters
	Waiting    Word = "waiting"    // lines are missing, and the deadline has not passed
	Incomplete Word = "incomplete" // lines are missing, and the deadline has passed
	Late       Word = "late"       // it is incomplete, and hours of its events are closed: what is sent again is late
	Expiring   Word = "expiring"   // lines are missing, and less than a quarter of Options.Keep is left to send it again
	Expired    Word = "expired"    // lines are missing, and Options.Keep has passed: it is not sent again any more
	Repaired   Word = "repaired"   // lines of it were sent again
	AfterClose Word = "afterclose" // lines of it were sent again when hours of its events were closed: they are where the flow's late policy says
	Dead       Word = "dead"       // lines of it are dead letters
	Unknown    Word = "unknown"    // lines were read, and nobody has registered it
	Beyond     Word = "beyond"     // lines were read with numbers above those that it has
	Twice      Word = "twice"      // it is registered more than once, with other numbers
	Gone       Word = "gone"       // it is incomplete, and its object is not there: it cannot be sent again
	Damaged    Word = "damaged"    // it is incomplete, and its object is not what the producer wrote: it cannot be sent again
	Abandoned  Word = "abandoned"  // its object is there, and it was never registered: its producer died, and told nobody that it is accepted
)

// Words are all of them, in the order in which a batch has them.
func Words() []Word {
	return []Word{Complete, Waiting, Incomplete, Late, Expiring, Expired, Repaired, AfterClose, Dead, Unknown, Beyond, Twice, Gone, Damaged, Abandoned}
}

// Report is what an audit found. Its JSON is stable.
type Report struct {
	From time.Time `json:"from"` // batches were begun from then on
	To   time.Time `json:"to"`   // and before
	At   time.Time `json:"at"`   // the clock of the batches' store, before anything was read

	// Reached says how far the job has read: all that came into its source before. It is zero if that is not known; Why says
	// why. Nothing is incomplete then, since the job may still read it.
	Reached time.Time `json:"reached,omitzero"`
	Why     string    `json:"why,omitempty"`

	Sum     Sum       `json:"sum"`
	Batches []Finding `json:"batches"`        // all that are not only complete, by ID, at most Options.Most
	Away    []Away    `json:"away,omitempty"` // what could not be read; its batches are in no sum
	Resent  Resent    `json:"resent,omitzero"`
}

// Sum counts batches and lines.
type Sum struct {
	Batches int64          `json:"batches"`
	Words   map[Word]int64 `json:"words"`   // batches that have the word
	Lines   int64          `json:"lines"`   // registered
	Came    int64          `json:"came"`    // of those: were read
	Dead    int64          `json:"dead"`    // of those: are dead letters
	Missing int64          `json:"missing"` // of batches that are incomplete

	// Earliest is when Options.Keep has passed for the first of the batches that are waiting or incomplete; zero if none is.
	Earliest time.Time `json:"earliest,omitzero"`
}

// Finding is a batch.
type Finding struct {
	ID      ID            `json:"id"`
	Words   []Word        `json:"words"`
	Lines   int           `json:"lines"`             // registered; 0 if it is not
	Came    int           `json:"came"`              // lines that were read
	Dead    int           `json:"dead,omitempty"`    // lines that are dead letters
	Missing []Range       `json:"missing,omitempty"` // the first 1,000 runs
	Repairs int           `json:"repairs,omitempty"` // attempts to send lines again
	Left    time.Duration `json:"left_ns,omitempty"` // of one that is not complete: until Options.Keep has passed
}

// Has reports whether the batch has a word.
func (f *Finding) Has(w Word) bool { return slices.Contains(f.Words, w) }

// Away is a part of the window that could not be read.
type Away struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	What  Place     `json:"what"` // what is away
	Error string    `json:"error"`
}

// Place is what an audit reads.
type Place string

// The places.
const (
	InRegistry Place = "registry" // the Registry
	InBatches  Place = "batches"  // the store of the batches
	InNotes    Place = "notes"    // the output of the job: its ledger and its notes
)

// awayError says which place could not be read.
type awayError struct {
	place Place
	err   error
}

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// Resent counts what Run has sent again since its last report.
type Resent struct {
	Batches int64 `json:"batches"`
	Lines   int64 `json:"lines"`
	Late    int64 `json:"late"`   // batches whose hours are closed
	Failed  int64 `json:"failed"` // attempts that failed: a batch could not be read or sent
}

// Complete reports whether nothing is wrong: every batch is complete, and all could be read.
func (r *Report) Complete() bool {
	for w, n := range r.Sum.Words {
		if n > 0 && !slices.Contains([]Word{Complete, Repaired, AfterClose, Dead, Abandoned}, w) {
			return false
		}
	}
	return len(r.Away) == 0
}

func (s *Sum) add(o *Sum) {
	s.Batches, s.Lines, s.Came, s.Dead, s.Missing = s.Batches+o.Batches, s.Lines+o.Lines, s.Came+o.Came, s.Dead+o.Dead, s.Missing+o.Missing
	for w, n := range o.Words {
		s.Words[w] += n
	}
	s.until(o.Earliest)
}

// until takes in when a batch can no longer be sent again.
func (s *Sum) until(t time.Time) {
	if s.Earliest.IsZero() || !t.IsZero() && t.Before(s.Earliest) {
		s.Earliest = t
	}
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "batches from %s to %s: %d of %d lines\n", stamp(r.From), stamp(r.To), r.Sum.Batches, r.Sum.Lines)
	switch {
	case r.Why != "":
		fmt.Fprintf(t, "how far the job has read is not known: %s\n", r.Why)
	default:
		fmt.Fprintf(t, "the job has read all until %s\n", stamp(r.Reached))
	}
	for _, word := range Words() {
		if n := r.Sum.Words[word]; n > 0 {
			fmt.Fprintf(t, "%s\t%d\n", word, n)
		}
	}
	if !r.Sum.Earliest.IsZero() {
		fmt.Fprintf(t, "the first of what is missing can be sent again until %s\n", stamp(r.Sum.Earliest))
	}
	if len(r.Batches) > 0 {
		fmt.Fprint(t, "\nbatch\tbegun\tlines\tcame\tdead\tmissing\twords\n")
	}
	for i := range r.Batches {
		f := &r.Batches[i]
		words := make([]string, len(f.Words))
		for i, w := range f.Words {
			words[i] = string(w)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", f.ID, stamp(f.ID.Time()), f.Lines, f.Came, f.Dead, ranges(f.Missing), strings.Join(words, " "))
	}
	for _, a := range r.Away {
		fmt.Fprintf(t, "%s away from %s to %s: %s\n", a.What, stamp(a.From), stamp(a.To), a.Error)
	}
	return t.Flush()
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// ranges prints the first runs.
func ranges(all []Range) string {
	if len(all) == 0 {
		return "-"
	}
	var b []byte
	for i, r := range all {
		if i == 8 {
			return string(append(b, ",..."...))
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(r.First), 10)
		if r.Last > r.First {
			b = strconv.AppendInt(append(b, '-'), int64(r.Last), 10)
		}
	}
	return string(b)
}

// WriteMetrics writes the sums in the text format of Prometheus.
func (r *Report) WriteMetrics(w io.Writer) error {
	var b strings.Builder
	gauge := func(name, help string, value int64) {
		fmt.Fprintf(&b, "# HELP onceflow_audit_%s %s\n# TYPE onceflow_audit_%s gauge\nonceflow_audit_%s %d\n", name, help, name, name, value)
	}
	fmt.Fprint(&b, "# HELP onceflow_audit_batches Batches of the window that have the word.\n# TYPE onceflow_audit_batches gauge\n")
	for _, word := range Words() { // also those of none: an alarm on a series that is not there never fires
		fmt.Fprintf(&b, "onceflow_audit_batches{word=%q} %d\n", word, r.Sum.Words[word])
	}
	gauge("lines", "Lines that are registered.", r.Sum.Lines)
	gauge("lines_came", "Lines that the job has read.", r.Sum.Came)
	gauge("lines_dead", "Lines that are dead letters.", r.Sum.Dead)
	gauge("lines_missing", "Lines that are missing of batches whose deadline has passed.", r.Sum.Missing)
	fmt.Fprint(&b, "# HELP onceflow_audit_away Parts of the window that cannot be read, by what is away.\n# TYPE onceflow_audit_away gauge\n")
	for _, place := range []Place{InRegistry, InBatches, InNotes} {
		n := 0
		for _, a := range r.Away {
			if a.What == place {
				n++
			}
		}
		fmt.Fprintf(&b, "onceflow_audit_away{what=%q} %d\n", place, n)
	}
	left := int64(-1)
	if !r.Sum.Earliest.IsZero() {
		left = max(0, int64(r.Sum.Earliest.Sub(r.At).Seconds()))
	}
	gauge("seconds_left", "Until the first of what has not been read can not be sent again any more; -1 if all has been read.", left)
	behind := int64(-1)
	if !r.Reached.IsZero() {
		behind = max(0, int64(r.At.Sub(r.Reached).Seconds()))
	}
	gauge("behind_seconds", "For how long what came into the source may not have been read; -1 if that is not known.", behind)
	gauge("report_seconds", "When the report was begun, in seconds since 1970.", r.At.Unix())
	gauge("resent_batches", "Batches sent again since the report before.", r.Resent.Batches)
	gauge("resent_lines", "Lines sent again since the report before.", r.Resent.Lines)
	gauge("resent_late", "Batches sent again since the report before though hours of their events are closed.", r.Resent.Late)
	gauge("resent_failed", "Attempts that failed since the report before.", r.Resent.Failed)
	_, err := io.WriteString(w, b.String())
	return err
}
