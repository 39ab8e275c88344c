package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/examples/internal/procusage"
	"github.com/onceflow/onceflow/internal/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	records := flag.Int("records", 1_000_000, "number of records in a topic")
	rounds := flag.Int("rounds", 5, "how often each case runs")
	only := flag.String("only", "", "regular expression for the names of cases to run")
	child := flag.Bool("child", false, "run one case, as standard input says; the command's own")
	flag.Parse()
	var err error
	if *child {
		err = one(ctx, os.Stdin, os.Stdout)
	} else {
		err = bench(ctx, os.Stdout, *records, *rounds, *only)
	}
	if err != nil {
		log.Fatal("bench-kafka: ", err)
	}
}

// order is one run of a case: what a child is told, as JSON.
type order struct {
	Brokers []string
	Topic   string
	Parts   int
	Records int
	Reader  string
	Group   string // fresh
}

// outcome is what a child says.
type outcome struct {
	Records, Bytes int64
	CPU, Wall      float64 // seconds
	Peak           int64   // bytes
}

// testCase is a topic and a way to read it.
type testCase struct {
	order
	name string
	runs []outcome
}

func bench(ctx context.Context, out io.Writer, records, rounds int, only string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	cache, err := servers.Open()
	if err != nil {
		return err
	}
	k, err := servers.StartKafka(ctx, cache, nil)
	if err != nil {
		return err
	}
	defer k.Stop()
	cases, err := prepare(k.Brokers(), records, chosen)
	if err != nil {
		return err
	}
	before := load()
	for round := range rounds {
		for i := range cases {
			c := &cases[i]
			c.Group = fmt.Sprintf("%s-%d-%d", c.Reader, round, i)
			got, err := start(ctx, c.order)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if want := int64(records * recordBytes); got.Records != int64(records) || got.Bytes != want {
				return fmt.Errorf("%s: %d records of %d bytes in all, want %d of %d", c.name, got.Records, got.Bytes, records, want)
			}
			c.runs = append(c.runs, got)
		}
	}
	fmt.Fprintf(out, "%d records of %d bytes; %d rounds; load average %s before, %s after\n\n", records, recordBytes, rounds, before, load())
	table(out, cases)
	return nil
}

// prepare makes the topics that the chosen cases need.
func prepare(brokers []string, records int, chosen *regexp.Regexp) (cases []testCase, err error) {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionZSTD, sarama.CompressionLZ4} {
		for _, parts := range []int{1, 12} {
			topic := fmt.Sprintf("%s-%d", codec, parts)
			before := len(cases)
			for _, r := range readers {
				if name := fmt.Sprintf("%s/%d/%s", codec, parts, r.name); chosen.MatchString(name) {
					cases = append(cases, testCase{name: name, order: order{Brokers: brokers, Topic: topic, Parts: parts, Records: records, Reader: r.name}})
				}
			}
			if len(cases) > before {
				if err := produce(brokers, topic, parts, records, codec); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(cases) == 0 {
		return nil, errors.New("no case is chosen")
	}
	return cases, nil
}

// start runs o in a process of its own.
func start(ctx context.Context, o order) (got outcome, err error) {
	program, err := os.Executable()
	if err != nil {
		return got, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	text, err := json.Marshal(o)
	if err != nil {
		return got, err
	}
	c := exec.CommandContext(ctx, program, "-child")
	c.Stdin, c.Stderr = strings.NewReader(string(text)), os.Stderr
	if text, err = c.Output(); err != nil {
		return got, err
	}
	return got, json.Unmarshal(text, &got)
}

// one is the child.
func one(ctx context.Context, in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return err
	}
	i := slices.IndexFunc(readers, func(r reader) bool { return r.name == o.Reader })
	if i < 0 {
		return fmt.Errorf("no reader %q", o.Reader)
	}
	begin := time.Now()
	var got outcome
	var err error
	if got.Records, got.Bytes, err = readers[i].read(ctx, o); err != nil {
		return err
	}
	got.Wall = time.Since(begin).Seconds()
	got.CPU, got.Peak = procusage.Self()
	return json.NewEncoder(out).Encode(got)
}

func table(out io.Writer, cases []testCase) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer t.Flush()
	fmt.Fprintln(t, "case\tCPU us/record\tmin\tmax\tpeak MiB\trecords/s\t")
	for _, c := range cases {
		var cpu, wall []float64
		peak := int64(0)
		for _, r := range c.runs {
			cpu = append(cpu, r.CPU*1e6/float64(r.Records))
			wall = append(wall, r.Wall)
			peak = max(peak, r.Peak)
		}
		slices.Sort(cpu)
		slices.Sort(wall)
		n := len(cpu)
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%d\t%.0f\t\n", c.name, cpu[n/2], cpu[0], cpu[n-1], peak>>20, float64(c.Records)/wall[n/2])
	}
}

// load is the load average of the last minute; "unknown" where the system does not say.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
