package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// own is a line of the user's own files. It goes to the output as it is.
type own struct {
	line []byte
	at   time.Time
	flow string
}

func (l *own) eventTime() time.Time { return l.at }

// maxFlows bounds what -by makes; the rarer values share a flow.
const (
	maxFlows  = 16
	otherFlow = "other"
)

func runOwn(ctx context.Context, o *options, out io.Writer, terminal *os.File) error {
	for _, name := range o.in {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return fmt.Errorf("%s is a folder: name the files in it, such as %s", name, filepath.Join(name, "*"))
		}
	}
	from := file.Config{Paths: o.in}
	names, err := lookAt(ctx, from, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "flows: %s\n", strings.Join(names, ", "))
	src, err := file.Open(from, &file.Options{Name: "own"})
	if err != nil {
		return err
	}
	defer src.Close()
	parse := func(r *stream.Record) (own, error) { return parseOwn(r.Value, o, names) }
	var flows []sink.Flow[own]
	for _, name := range names {
		flows = append(flows, sink.Flow[own]{
			Name:  name,
			Where: func(l *own) bool { return l.flow == name },
			Format: format.Lines(".jsonl", func(dst []byte, l *own) ([]byte, error) {
				return append(dst, l.line...), nil
			}),
			Codec: o.codec,
		})
	}
	lines := stream.Via(stream.From(src), stream.Decode(parse, (*own).eventTime))
	return runJob(ctx, o, "own", lines, flows, terminal)
}

// parseOwn finds the fields that were asked for.
func parseOwn(line []byte, o *options, flows []string) (own, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return own{}, fmt.Errorf("not a JSON object, which is all that this program reads: %w", err)
	}
	raw, ok := fields[o.time]
	if !ok {
		return own{}, fmt.Errorf("no field %q", o.time)
	}
	at, err := parseTime(raw)
	if err != nil {
		return own{}, fmt.Errorf("field %q: %w", o.time, err)
	}
	l := own{line: bytes.Clone(line), at: at, flow: flows[len(flows)-1]}
	if name := flowName(fields[o.by]); o.by != "" && slices.Contains(flows, name) {
		l.flow = name
	}
	return l, nil
}

// lookAt reads the beginning of the files, to say at once what is wrong with them, and returns the names of the flows:
// of the values that are most frequent there, and one for all others.
func lookAt(ctx context.Context, from file.Config, o *options) (flows []string, err error) {
	const enough = 20_000
	var bad error
	var example []byte
	counts, good := map[string]int{}, 0
	for line, err := range firstLines(ctx, from, enough) {
		if err != nil {
			return nil, err
		}
		if _, err := parseOwn(line, o, []string{""}); err != nil {
			if bad == nil {
				bad, example = err, bytes.Clone(line)
			}
			continue
		}
		good++
		var fields map[string]json.RawMessage
		if json.Unmarshal(line, &fields) == nil && fields[o.by] != nil {
			counts[flowName(fields[o.by])]++
		}
	}
	switch {
	case good == 0 && bad != nil:
		return nil, fmt.Errorf("none of the first lines can be used: %w\nthe first is %.200q%s", bad, example, fieldsOf(example))
	case good == 0:
		return nil, errors.New("there is no line in the files")
	case o.by == "":
		return []string{"all"}, nil
	case len(counts) == 0:
		return nil, fmt.Errorf("no line has the field %q that -by names%s", o.by, fieldsOf(example))
	}
	delete(counts, otherFlow)
	flows = slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	return append(flows[:min(len(flows), maxFlows-1)], otherFlow), nil
}

// fieldsOf tells the names that -time and -by may take.
func fieldsOf(line []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil || len(fields) == 0 {
		return ""
	}
	return "\nits fields, for -time and -by, are " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
}
