package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal("bench: ", err)
	}
}

// options are what the flags say.
type options struct {
	events, runs int
	only         *regexp.Regexp
	commit       time.Duration
	input        sarama.CompressionCodec
	smoke        bool
	profiles     string
	hour         float64       // GB of packs to merge, and nothing else
	span         time.Duration // of the set: three hours, or one where each tenant has a file
}

func bench(ctx context.Context, args []string, out io.Writer) error {
	o, isChild, err := parseFlags(args, out)
	if err != nil {
		return err
	}
	if isChild {
		return child(ctx)
	}
	if o.hour > 0 {
		return mergeHours(ctx, out, int64(o.hour*1e9))
	}
	chosen, err := o.choose()
	if err != nil {
		return err
	}
	w := &world{options: o, say: func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }}
	defer w.tearDown()
	if err := w.setUp(ctx, chosen); err != nil {
		return err
	}
	if o.smoke {
		if err := w.smokeAll(ctx, chosen); err != nil {
			return err
		}
		fmt.Fprintf(out, "all %d variants gave the right output\n", len(chosen))
		return nil
	}
	before := loadAverage()
	runs, err := w.all(ctx, chosen)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d events, %d of them twice; %d runs each, alternating; load average %s before, %s after\n\n",
		w.set.n, w.set.copies(), o.runs, before, loadAverage())
	printTable(out, w.set, chosen, runs)
	printFigures(out, runs)
	printRequests(out, chosen, runs)
	return nil
}

func parseFlags(args []string, out io.Writer) (o options, isChild bool, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(out)
	only, input := "", ""
	f.IntVar(&o.events, "events", 1_000_000, "number of different events")
	f.IntVar(&o.runs, "runs", 5, "how often each variant runs")
	f.StringVar(&only, "only", "", "regular expression for the names of variants to run; floors that they are compared with run too")
	f.StringVar(&input, "input", "zstd", "how the events are compressed in Kafka: zstd, gzip, snappy, lz4 or none")
	f.DurationVar(&o.commit, "commit", 3*time.Second, "time between two commits")
	f.BoolVar(&o.smoke, "smoke", false, "few events, one run, no figures: checks the outputs")
	f.StringVar(&o.profiles, "profile", "", "folder for a CPU profile of each variant's last run")
	f.Float64Var(&o.hour, "hour", 0, "instead of all that: merge an hour of so many GB of packs on the local disk, and time commits beside a merge")
	f.BoolVar(&isChild, "child", false, "make one run, as standard input says; the command's own")
	if err = f.Parse(args); err != nil {
		return o, false, errors.Join(flag.ErrHelp, err)
	}
	if o.smoke {
		o.events, o.runs = 60_000, 1
	}
	o.only, err = regexp.Compile(only)
	if o.span = 3 * time.Hour; o.paths() {
		o.span = time.Hour
	}
	err = errors.Join(err, o.input.UnmarshalText([]byte(input)))
	if o.events < 1000 || o.runs < 1 {
		err = errors.Join(err, errors.New("too few events or runs"))
	}
	return o, isChild, err
}

// paths reports whether variants with a file for each tenant were asked for.
func (o *options) paths() bool { return o.only != nil && strings.Contains(o.only.String(), "paths") }

// choose returns the variants to run, in the order of variants.
func (o *options) choose() (out []variant, err error) {
	want := map[string]bool{}
	for _, v := range variants() {
		if o.only.MatchString(v.name) && (!v.paths || o.paths()) {
			want[v.name] = true
			want[v.floorOf()] = true
			want["disk-zstd"] = want["disk-zstd"] || v.merge
		}
	}
	for _, v := range variants() {
		if want[v.name] {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no variant matches %q", o.only)
	}
	return out, nil
}

// loadAverage is that of the last minute; "unknown" where the system does not say.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	var one string
	_, _ = fmt.Sscan(string(b), &one)
	return one
}
