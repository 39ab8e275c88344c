package seal

import (
	"cmp"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream/driver"
)

// Options are the optional settings of Hourly; nil means all defaults. All instances of a job should have the same.
type Options struct {
	// Name is that of the seal object in the hour's folder of each flow. Readers such as Spark and Athena skip names that
	// begin with an underscore.
	//
	// Defaults to "_SEALED", or "_SEALED.<job>" if several jobs share the folder (sink.Options.Shared).
	Name string

	// JSON lists the hour's files and counts in the seal object. Without it the object is empty; the hour's manifest lists
	// them in either case.
	JSON bool

	// Lateness is how far behind the newest event of its partition an event may be and still be on time. It delays the
	// seal by as much.
	//
	// Defaults to 15 minutes. -1 is none: a partition whose events are not in order then has late ones.
	Lateness time.Duration

	// EmptyHours is how many hours without files may be sealed in a row, beside as many as have passed since the job
	// began. More are made by an odd record of long ago among a job's first ones, or by a gap in old data. Then the job goes
	// on committing and closes no hour behind them; stream.Status.Unclosed, the log and Explain say where the gap is and what it begins
	// with. A larger number lets these hours be sealed, one after the other. It counts hours of sink.Options.Hour.
	//
	// Defaults to 4000. -1 is any number.
	EmptyHours int64

	// Verify looks, before an hour closes, whether all of its files are there with the length that was published: somebody,
	// or a rule of the bucket, may have deleted or replaced one. Such an hour does not close, and the job stops with an
	// error that names the files, until they are restored, or until it runs without Verify and so takes the loss. It costs
	// a listing for each flow and hour, of 1000 files a request. examples/verify compares contents, too.
	Verify bool
}

// Hourly makes out close and seal each hour, once and in order. It returns out. A wrong option is reported when the
// output is attached to a job, before anything is written.
func Hourly[T any](out *sink.Sink[T], opts *Options) driver.Output[T] {
	if out == nil {
		return nil // which Run refuses
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Lateness = cmp.Or(o.Lateness, 15*time.Minute)
	if o.Lateness == -1 {
		o.Lateness = 0
	}
	out.Seal(sink.SealOptions{Name: o.Name, JSON: o.JSON, Lateness: o.Lateness, EmptyHours: o.EmptyHours, Verify: o.Verify})
	return out
}
