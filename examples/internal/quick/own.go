package quick

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

// Line is a line of the user's own files. It goes to the output as it is.
type Line struct {
	line []byte
	at   time.Time
	flow string
}

func (l *Line) eventTime() time.Time { return l.at }

// maxFlows bounds what -by makes; the rarer values share a flow.
const (
	maxFlows  = 16
	otherFlow = "other"
)

// Open looks at the files, says on out which flows they make, and opens them. The caller closes the source.
func Open(ctx context.Context, o *Options, out io.Writer) (*file.Source, stream.Pipe[Line], []sink.Flow[Line], error) {
	fail := func(err error) (*file.Source, stream.Pipe[Line], []sink.Flow[Line], error) {
		return nil, stream.Pipe[Line]{}, nil, err
	}
	for _, name := range o.In {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return fail(fmt.Errorf("%s is a folder: name the files in it, such as %s", name, filepath.Join(name, "*")))
		}
	}
	from := file.Config{Paths: o.In}
	names, err := lookAt(ctx, from, o)
	if err != nil {
		return fail(err)
	}
	fmt.Fprintf(out, "flows: %s\n", strings.Join(names, ", "))
	src, err := file.Open(from, &file.Options{Name: "own"})
	if err != nil {
		return fail(err)
	}
	parse := func(r *stream.Record) (Line, error) { return parseOwn(r.Value, o, names) }
	var flows []sink.Flow[Line]
	for _, name := range names {
		flows = append(flows, sink.Flow[Line]{
			Name:  name,
			Where: func(l *Line) bool { return l.flow == name },
			Format: format.Lines(".jsonl", func(dst []byte, l *Line) ([]byte, error) {
				return append(dst, l.line...), nil
			}),
			Codec: o.Codec,
		})
	}
	return src, stream.Via(stream.From(src), stream.Decode(parse, (*Line).eventTime)), flows, nil
}

// parseOwn finds the fields that were asked for.
func parseOwn(line []byte, o *Options, flows []string) (Line, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return Line{}, fmt.Errorf("not a JSON object, which is all that this program reads: %w", err)
	}
	raw, ok := fields[o.Time]
	if !ok {
		return Line{}, fmt.Errorf("no field %q", o.Time)
	}
	at, err := parseTime(raw)
	if err != nil {
		return Line{}, fmt.Errorf("field %q: %w", o.Time, err)
	}
	l := Line{line: bytes.Clone(line), at: at, flow: flows[len(flows)-1]}
	if name := flowName(fields[o.By]); o.By != "" && slices.Contains(flows, name) {
		l.flow = name
	}
	return l, nil
}

// lookAt reads the beginning of the files, to say at once what is wrong with them, and returns the names of the flows:
// of the values that are most frequent there, and one for all others.
func lookAt(ctx context.Context, from file.Config, o *Options) (flows []string, err error) {
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
		if json.Unmarshal(line, &fields) == nil && fields[o.By] != nil {
			counts[flowName(fields[o.By])]++
		}
	}
	switch {
	case good == 0 && bad != nil:
		return nil, fmt.Errorf("none of the first lines can be used: %w\nthe first is %.200q%s", bad, example, fieldsOf(example))
	case good == 0:
		return nil, errors.New("there is no line in the files")
	case o.By == "":
		return []string{"all"}, nil
	case len(counts) == 0:
		return nil, fmt.Errorf("no line has the field %q that -by names%s", o.By, fieldsOf(example))
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
