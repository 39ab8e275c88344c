package quick

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// shape is what the user's files are: JSON lines, or delimited text whose first line names the columns. All files are like
// the first.
type shape struct {
	csv    file.CSV
	header []string // nil: JSON lines
}

// commas are what may separate columns.
const commas = "\t;,|"

// shapeOf looks at the first line of the files.
func shapeOf(ctx context.Context, paths []string) (s shape, err error) {
	for r, err := range first(ctx, file.Config{Paths: paths, Format: file.Lines{}}, 1) {
		if err != nil {
			return s, err
		}
		line := string(bytes.TrimPrefix(r.Value, []byte("\ufeff")))
		if strings.HasPrefix(strings.TrimSpace(line), "{") {
			return s, nil
		}
		most := 0
		for _, c := range []byte(commas) {
			if n := strings.Count(line, string(c)); n > most {
				s.csv.Comma, most = c, n
			}
		}
		if s.csv.Comma == 0 {
			return s, fmt.Errorf("the first line is %.200q: neither a JSON object nor the names of columns with a comma, semicolon, tab or bar between them", line)
		}
		header := csv.NewReader(strings.NewReader(line))
		header.Comma = rune(s.csv.Comma)
		if s.header, err = header.Read(); err != nil {
			return s, fmt.Errorf("the first line is %.200q, not the names of columns: %w", line, err)
		}
		return s, nil
	}
	return s, errors.New("there is no line in the files")
}

// config is how the source reads the files.
func (s *shape) config(paths []string) file.Config {
	if s.header == nil {
		return file.Config{Paths: paths}
	}
	return file.Config{Paths: paths, Format: s.csv}
}

// parser makes a parse function for the fields that were asked for.
func (s *shape) parser(o *Options, flows []string) func(*stream.Record) (Line, error) {
	if s.header == nil {
		return func(r *stream.Record) (Line, error) {
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(r.Value, &fields); err != nil {
				return Line{}, fmt.Errorf("not a JSON object: %w", err)
			}
			l := Line{line: bytes.Clone(r.Value)}
			err := l.fill(o, flows, func(name string) (string, bool) {
				raw, ok := fields[name]
				return text(raw), ok
			})
			return l, err
		}
	}
	return file.Columns(s.csv, s.header, func(columns [][]byte) (Line, error) {
		l := Line{columns: make([]string, len(columns))}
		for i := range columns {
			l.columns[i] = string(columns[i])
		}
		err := l.fill(o, flows, func(name string) (string, bool) {
			if i := slices.Index(s.header, name); i >= 0 {
				return l.columns[i], true
			}
			return "", false
		})
		return l, err
	})
}

// format writes lines in the shape that they have.
func (s *shape) format() format.Format[Line] {
	if s.header == nil {
		return format.Lines(".jsonl", func(dst []byte, l *Line) ([]byte, error) { return append(dst, l.line...), nil })
	}
	return format.CSV(s.header, func(r *format.Row, l *Line) {
		for _, c := range l.columns {
			r.String(c)
		}
	}, &format.CSVOptions{Comma: s.csv.Comma, LF: true})
}

// fieldsOf tells the names that -time, -by and -id may take.
func (s *shape) fieldsOf(r []byte) string {
	names := s.header
	var fields map[string]json.RawMessage
	if names == nil && json.Unmarshal(r, &fields) == nil {
		names = slices.Sorted(maps.Keys(fields))
	}
	if len(names) == 0 {
		return ""
	}
	return "\nits fields, for -time, -by and -id, are " + strings.Join(names, ", ")
}
