package main

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

	"github.com/onceflow/onceflow/sink/codec"
)

// options are what the command line says.
type options struct {
	in     []string // none: a generated clickstream
	time   string
	by     string
	out    string
	codec  codec.Codec
	seed   uint64
	events int
	commit time.Duration
}

var codecs = map[string]codec.Codec{
	"none": codec.None, "gzip": codec.Gzip, "zstd": codec.Zstd, "s2": codec.S2, "snappy": codec.Snappy, "lz4": codec.LZ4,
}

// errUsage means that the command line was wrong and that this was said.
var errUsage = errors.New("usage")

func parseFlags(args []string, w io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.SetOutput(w)
	fs.Usage = func() {
		fmt.Fprint(w, "usage: quickstart [flags]                              a generated clickstream\n"+
			"       quickstart -in FILE... [-time FIELD] [flags]    your own files of JSON lines\n\n")
		fs.PrintDefaults()
	}
	fs.Func("in", "`FILE`s of JSON lines, plain, gzip or zstd; the first of several, which follow it", func(s string) error {
		o.in = append(o.in, s)
		return nil
	})
	fs.StringVar(&o.time, "time", "time", "with -in: the `FIELD` of the event time: RFC 3339, Unix seconds or milliseconds")
	fs.StringVar(&o.by, "by", "", "with -in: the `FIELD` whose values become flows; none makes one flow")
	fs.StringVar(&o.out, "out", "", "`DIR` for the output (default out/quickstart, with -in out/own)")
	codec := fs.String("codec", "zstd", "how files are compressed: "+strings.Join(slices.Sorted(maps.Keys(codecs)), ", "))
	fs.Uint64Var(&o.seed, "seed", 1, "of the generated clickstream")
	fs.IntVar(&o.events, "events", 1_000_000, "in the generated clickstream")
	fs.DurationVar(&o.commit, "commit", time.Second, "the longest `TIME` between two commits, such as 500ms or 1m")
	for rest := args; ; {
		if err := fs.Parse(rest); err != nil {
			return nil, errUsage // which the flag package has said
		}
		rest = fs.Args()
		for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			o.in, rest = append(o.in, rest[0]), rest[1:]
		}
		if len(rest) == 0 {
			break
		}
	}
	if len(o.in) > 0 {
		o.out = cmp.Or(o.out, "out/own")
	}
	o.out = cmp.Or(o.out, "out/quickstart")
	var ok bool
	if o.codec, ok = codecs[*codec]; !ok {
		return nil, fmt.Errorf("-codec %s is none of %s", *codec, strings.Join(slices.Sorted(maps.Keys(codecs)), ", "))
	}
	if o.events < 1 || o.commit <= 0 {
		return nil, errors.New("-events and -commit must be positive")
	}
	return o, nil
}
