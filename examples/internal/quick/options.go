// Package quick is what the quickstart has beside its job: flags, the reading of lines whose fields it does not know, and a report.
package quick

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // for -zone where the system has no zones

	"github.com/onceflow/onceflow/sink/codec"
)

// Options are what the command line says.
type Options struct {
	In     []string // none: a generated clickstream
	Time   []string // fields
	Zone   *time.Location
	By     string
	ID     []string // fields; none: no dedup
	Window time.Duration
	Out    string
	Codec  codec.Codec
	Seed   uint64
	Events int
	Commit time.Duration
}

var codecs = map[string]codec.Codec{
	"none": codec.None, "gzip": codec.Gzip, "zstd": codec.Zstd, "s2": codec.S2, "snappy": codec.Snappy, "lz4": codec.LZ4,
}

// ErrUsage means that the command line was wrong and that this was said.
var ErrUsage = errors.New("usage")

// Parse reads the command line; it says on w what is wrong with it.
func Parse(args []string, w io.Writer) (*Options, error) {
	o := &Options{}
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.SetOutput(w)
	fs.Usage = func() {
		fmt.Fprint(w, "usage: quickstart [flags]                              a generated clickstream\n"+
			"       quickstart -in FILE... [-time FIELD] [flags]    your own files of JSON lines, CSV or TSV\n\n")
		fs.PrintDefaults()
	}
	fs.Func("in", "`FILE`s of JSON lines, or of CSV or TSV whose first line names the columns; plain, gzip or zstd; the first of several, which follow it", func(s string) error {
		o.In = append(o.In, s)
		return nil
	})
	o.Time, o.Zone = []string{"time"}, time.UTC
	fields := func(into *[]string) func(string) error {
		return func(s string) error { *into = strings.Split(s, ","); return nil }
	}
	fs.Func("time", "with -in: the `FIELD` of the event time, or two as in date,time (default time): RFC 3339, 2006-01-02 15:04:05, that of a web server's log, Unix seconds or milliseconds", fields(&o.Time))
	fs.Func("zone", "with -in: the `ZONE` of times that name none, such as Europe/Berlin (default UTC)", func(s string) (err error) {
		o.Zone, err = time.LoadLocation(s)
		return err
	})
	fs.Func("id", "with -in: the `FIELD`s that together tell an event, as in user,order: of several lines with the same values the first one is written", fields(&o.ID))
	fs.DurationVar(&o.Window, "window", time.Hour, "with -id: how far apart in event time two lines may be and still be told as copies")
	fs.StringVar(&o.By, "by", "", "with -in: the `FIELD` whose values become flows; none makes one flow")
	fs.StringVar(&o.Out, "out", "", "`DIR` for the output (default out/quickstart, with -in out/own)")
	codec := fs.String("codec", "gzip", "how files are compressed: "+strings.Join(slices.Sorted(maps.Keys(codecs)), ", "))
	fs.Uint64Var(&o.Seed, "seed", 1, "of the generated clickstream")
	fs.IntVar(&o.Events, "events", 1_000_000, "in the generated clickstream")
	fs.DurationVar(&o.Commit, "commit", time.Second, "the longest `TIME` between two commits, such as 500ms or 1m")
	for rest := args; ; {
		if err := fs.Parse(rest); err != nil {
			return nil, ErrUsage // which the flag package has said
		}
		rest = fs.Args()
		for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			o.In, rest = append(o.In, rest[0]), rest[1:]
		}
		if len(rest) == 0 {
			break
		}
	}
	if len(o.In) > 0 {
		o.Out = cmp.Or(o.Out, "out/own")
	}
	o.Out = cmp.Or(o.Out, "out/quickstart")
	var ok bool
	if o.Codec, ok = codecs[*codec]; !ok {
		return nil, fmt.Errorf("-codec %s is none of %s", *codec, strings.Join(slices.Sorted(maps.Keys(codecs)), ", "))
	}
	if o.Events < 1 || o.Commit <= 0 {
		return nil, errors.New("-events and -commit must be positive")
	}
	return o, nil
}
