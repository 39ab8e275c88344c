package file

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file/internal/input"
	"github.com/onceflow/onceflow/stream/record"
)

// Source is a driver.Source over files. Its methods may be used as that interface says.
type Source struct {
	opts   *Options
	files  *finder
	ends   *ends
	chunks chunks

	// Of the goroutine that calls Poll, Start, Pause and Close.
	lanes   []*lane          // in the order of their names
	byID    map[string]*lane // by the IDs of files
	groups  map[string]*group
	open    []*lane // lanes with an open file
	turn    int     // index in open
	next    time.Time
	first   []listed // what Open found; nil once Poll has seen it
	backlog []listed // found and not assigned yet, in the order of their names
}

var _ driver.Source = (*Source)(nil)

// Open finds the files and reads the first line of each. It fails if there is none, unless files are followed. It also
// fails if one cannot be opened or decompressed, or if a name is not UTF-8.
func Open(c Config, opts *Options) (*Source, error) {
	o := opts.filled()
	if err := c.faults(&o); err != nil {
		return nil, err
	}
	if c.Format == nil {
		c.Format = NDJSON{}
	}
	s := &Source{
		opts:   &o,
		files:  &finder{conf: &c, opts: &o, rules: c.Format.rules(), decoders: input.NewPool(o.MaxWindow, o.MaxOpen), done: doneFiles{}},
		ends:   &ends{marks: map[record.Partition]mark{}},
		byID:   map[string]*lane{},
		groups: map[string]*group{},
	}
	if err := s.files.resolve(); err != nil {
		return nil, err
	}
	found, err := s.files.look()
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && !o.Follow {
		others := ""
		if n := s.files.selection.unwanted; n > 0 {
			others = fmt.Sprintf("; %d others are there, such as %s", n, s.files.selection.example)
		}
		return nil, fmt.Errorf("file: no file in %s%s%s", c.Dir, matching(c.Patterns), others)
	}
	s.files.tell()
	s.first = found
	return s, nil
}

func matching(patterns []string) string {
	if len(patterns) == 0 {
		return ""
	}
	return " matches " + strings.Join(patterns, ", ")
}

// Info names the source by what it is, and its only topic is Options.Name.
func (s *Source) Info() driver.SourceInfo {
	info := driver.SourceInfo{ID: "file", Topics: []string{s.opts.Name}, Keys: driver.KeysAnywhere, LanesEnd: true}
	if len(s.files.conf.Paths) == 0 {
		info.Folders = []string{s.files.folder}
	}
	return info
}

// Close closes the files. Batches that were not released keep their memory.
func (s *Source) Close() error {
	for _, l := range s.lanes {
		l.close()
	}
	s.files.decoders.Close()
	return nil
}

// Partitions looks at the folder and returns the files that have a record.
func (s *Source) Partitions(ctx context.Context) ([]record.Partition, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := s.files.look()
	if err != nil {
		return nil, err
	}
	var parts []record.Partition
	for _, f := range found {
		if f.part.Epoch != "" {
			parts = append(parts, f.part)
		}
	}
	return parts, nil
}

// AtEnd looks at each file's size now: the log ends at the position if that is where the file was read to its end, and
// not a byte has come since.
func (s *Source) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	return s.ends.prove(ctx, at)
}
