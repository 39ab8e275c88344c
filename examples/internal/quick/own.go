package quick

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// Line is a line of the user's own files. It goes to the output as it is: of JSON the text, of delimited text the columns.
type Line struct {
	line    []byte
	columns []string
	at      time.Time
	by      string
	flow    string
	id      string
}

func (l *Line) eventTime() time.Time { return l.at }
func (l *Line) key() string          { return l.id }

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
	s, err := shapeOf(ctx, o.In)
	if err != nil {
		return fail(err)
	}
	names, err := s.lookAt(ctx, o)
	if err != nil {
		return fail(err)
	}
	fmt.Fprintf(out, "flows: %s\n", strings.Join(names, ", "))
	opts := &file.Options{Name: "own"}
	if len(o.ID) > 0 { // copies of an ID must be in one lane for a local store
		opts.Lane = func(string) string { return "own" }
	}
	src, err := file.Open(s.config(o.In), opts)
	if err != nil {
		return fail(err)
	}
	var flows []sink.Flow[Line]
	for _, name := range names {
		flows = append(flows, sink.Flow[Line]{
			Name: name, Where: func(l *Line) bool { return l.flow == name }, Format: s.format(), Codec: o.Codec,
		})
	}
	lines := stream.Via(stream.From(src), stream.Decode(s.parser(o, names), (*Line).eventTime))
	if len(o.ID) > 0 {
		lines = stream.Via(lines, dedup.ByID(dedup.NewMemory(nil), (*Line).key, &dedup.Options{Window: o.Window}))
	}
	return src, lines, flows, nil
}

// fill takes the fields that were asked for.
func (l *Line) fill(o *Options, flows []string, field func(name string) (string, bool)) (err error) {
	join := func(names []string, between string) (string, error) {
		var values []string
		for _, name := range names {
			value, ok := field(name)
			if !ok {
				return "", fmt.Errorf("no field %q", name)
			}
			values = append(values, value)
		}
		return strings.Join(values, between), nil
	}
	at, err := join(o.Time, " ")
	if err != nil {
		return err
	}
	if l.at, err = parseTime(at, o.Zone); err != nil {
		return fmt.Errorf("field %q: %w", strings.Join(o.Time, ","), err)
	}
	if l.id, err = join(o.ID, "\x00"); err != nil {
		return err
	}
	l.flow = flows[len(flows)-1]
	if o.By != "" {
		l.by, _ = field(o.By)
		if name := flowName(l.by); slices.Contains(flows, name) {
			l.flow = name
		}
	}
	return nil
}

// lookAt reads the beginning of the files, to say at once what is wrong with them, and returns the names of the flows:
// of the values that are most frequent there, and one for all others.
func (s *shape) lookAt(ctx context.Context, o *Options) (flows []string, err error) {
	const enough = 20_000
	var bad error
	var example []byte
	counts, good := map[string]int{}, 0
	parse := s.parser(o, []string{""})
	for r, err := range first(ctx, s.config(o.In), enough) {
		if err != nil {
			return nil, err
		}
		l, err := parse(r)
		if err != nil {
			if bad == nil {
				bad, example = err, bytes.Clone(r.Value)
			}
			continue
		}
		if good++; l.by != "" {
			counts[flowName(l.by)]++
		}
	}
	switch {
	case good == 0 && bad != nil:
		return nil, fmt.Errorf("none of the first lines can be used: %w\nthe first is %.200q%s", bad, example, s.fieldsOf(example))
	case good == 0:
		return nil, errors.New("there is no line in the files")
	case o.By == "":
		return []string{"all"}, nil
	case len(counts) == 0:
		return nil, fmt.Errorf("no line has the field %q that -by names%s", o.By, s.fieldsOf(example))
	}
	delete(counts, otherFlow)
	flows = slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	return append(flows[:min(len(flows), maxFlows-1)], otherFlow), nil
}
