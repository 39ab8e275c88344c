package merge

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/stream/merge/internal/order"
	"github.com/onceflow/onceflow/stream/record"
)

// Options are the optional settings of a Source; nil means all defaults.
type Options struct {
	// Time is the time by which a record is sorted; the zero time is none. It is called once for each record that is read, and
	// should be the event time that Decode finds. A record without a time, or for which Time panics, goes at once, and so does
	// one with a time more than ten minutes ahead of this machine's clock.
	//
	// Defaults to Record.Time: for Kafka the producer's or the broker's, as the topic says.
	Time func(*record.Record) time.Time

	// Patience is how long a side that gives neither a record nor a proof that its log ends may hold the others of a lane. Then they
	// go on without it, until it gives one. Each record that does is counted in Counts.Without, and the first is logged.
	//
	// Zero, the default, is for ever. Then one side that is away stops its lanes, Health says so, and nothing loses its order.
	Patience time.Duration

	// Disorder is how far records may be behind newer ones before them. Those farther behind are counted in Counts.Behind.
	//
	// Defaults to 1 minute.
	Disorder time.Duration

	// Buffer is how many bytes of records may wait for those of other sides. A side that has its part of it is paused. Two more
	// batches of each side and lane may come, and a part is at least 64 KiB.
	//
	// Defaults to 64 MiB.
	Buffer int64

	// Stall is how long a side may hold the others before Health reports it.
	//
	// Defaults to 1 minute.
	Stall time.Duration

	// Logger gets a line when a side begins to be left out, when it is back, and when its clock is wrong. Defaults to discarding.
	Logger *slog.Logger
}

const (
	near    = 5 * time.Minute // as in package eventclock
	ahead   = 10 * time.Minute
	confirm = 16
)

// fill returns a copy with defaults, or all that is wrong.
func (o *Options) fill() (*Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Disorder = cmp.Or(f.Disorder, time.Minute)
	f.Buffer = cmp.Or(f.Buffer, 64<<20)
	f.Stall = cmp.Or(f.Stall, time.Minute)
	f.Logger = cmp.Or(f.Logger, slog.New(slog.DiscardHandler))
	var errs []error
	for name, v := range map[string]int64{"Patience": int64(f.Patience), "Disorder": int64(f.Disorder), "Buffer": f.Buffer, "Stall": int64(f.Stall)} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", name))
		}
	}
	return &f, errors.Join(errs...)
}

func (o *Options) rule() *order.Rule {
	r := &order.Rule{Near: max(near, o.Disorder), Ahead: ahead, Confirm: confirm, Disorder: o.Disorder, Patience: o.Patience}
	if o.Patience == 0 {
		r.Patience = -1
	}
	return r
}

// Counts are of a side, in this process, of records that were delivered. Those that were delivered before and come again after a
// restart count again.
type Counts struct {
	Records int64
	Odd     int64 // of them: without a time, or with one that others contradict or that is beyond the present
	Behind  int64 // of them: more than Options.Disorder behind a newer one that came before
	Without int64 // of other sides, that did not wait for this one, since Options.Patience was over
}

func (c *Counts) add(now, before order.Counts) {
	c.Records += now.Records - before.Records
	c.Odd += now.Odd - before.Odd
	c.Behind += now.Behind - before.Behind
	c.Without += now.Without - before.Without
}
