package linejob

import (
	"flag"
	"fmt"
	"log/slog"
	"time"
)

// Options are what the flags of such a job say.
type Options struct {
	Bucket string // to write to
	Name   string // of the job

	prefix, http     string
	timeField, codec string
	hour, lateness   time.Duration
	commit, shutdown time.Duration
	memory           int64
	level            slog.Level
}

// Register adds the flags. stamp is what records without a field for the event time have.
func (o *Options) Register(f *flag.FlagSet, stamp string) {
	f.StringVar(&o.Bucket, "bucket", "", "bucket to write to")
	f.StringVar(&o.prefix, "prefix", "", "begin all names with this; it ends with a slash")
	f.StringVar(&o.Name, "job", f.Name(), "name of the job; all processes of a job have the same")
	f.StringVar(&o.timeField, "time", "", "JSON field with the event time: RFC 3339, or Unix seconds or milliseconds; default: "+stamp)
	f.StringVar(&o.codec, "codec", "zstd", "zstd, gzip or none")
	f.DurationVar(&o.hour, "hour", time.Hour, "length of a folder's time; fixed by the first run")
	f.DurationVar(&o.lateness, "lateness", 15*time.Minute, "how late an event may be")
	f.DurationVar(&o.commit, "commit", time.Minute, "time between two commits")
	f.DurationVar(&o.shutdown, "shutdown", 20*time.Second, "time for the last commit")
	f.Int64Var(&o.memory, "memory", 0, "bytes in flight and buffered; default: 512 MiB, or a quarter of GOMEMLIMIT")
	f.StringVar(&o.http, "http", "", "address such as :8080 that answers probes and metrics, and shows a page; none without it")
	f.TextVar(&o.level, "log", slog.LevelInfo, "debug, info, warn or error")
}

// Check says what is wrong with what was set.
func (o *Options) Check() error {
	if _, ok := codecs[o.codec]; !ok {
		return fmt.Errorf("-codec %s is not known", o.codec)
	}
	return nil
}
