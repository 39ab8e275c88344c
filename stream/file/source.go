package file

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Source is a driver.Source over files. Its methods may be used as that interface says.
type Source struct {
	conf  Config
	opts  Options
	rules rules
	paths []listed // of Config.Paths, sorted, without info

	folder string // Config.Dir, absolute

	decoders *decoders
	chunks   chunks

	looking sync.Mutex        // is held while the files are looked at
	seen    map[string]listed // by ID: the last look, but for files that are done
	done    doneFiles         // those that are there yet

	marking sync.Mutex
	ends    map[record.Partition]mark

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

// Open finds the files and reads the first line of each. It fails if there is none, unless they are followed; if one
// cannot be opened or decompressed; and if a name is not UTF-8.
func Open(c Config, opts *Options) (*Source, error) {
	o := opts.filled()
	if err := c.faults(&o); err != nil {
		return nil, err
	}
	if c.Format == nil {
		c.Format = NDJSON{}
	}
	s := &Source{
		conf: c, opts: o, rules: c.Format.rules(),
		decoders: &decoders{window: o.MaxWindow, keep: o.MaxOpen},
		ends:     map[record.Partition]mark{},
		done:     doneFiles{},
		byID:     map[string]*lane{},
		groups:   map[string]*group{},
	}
	if err := s.resolve(); err != nil {
		return nil, err
	}
	found, err := s.look()
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && !o.Follow {
		return nil, fmt.Errorf("file: no file in %s%s", c.Dir, matching(c.Patterns))
	}
	s.first = found
	return s, nil
}

func matching(patterns []string) string {
	if len(patterns) == 0 {
		return ""
	}
	return " matches " + strings.Join(patterns, ", ")
}

// resolve finds out where Config.Dir and Config.Paths are and what these are called.
func (s *Source) resolve() (err error) {
	if s.conf.Dir != "" {
		if s.folder, err = filepath.Abs(s.conf.Dir); err != nil {
			return fmt.Errorf("file: %w", err)
		}
	}
	for _, p := range s.conf.Paths {
		f := listed{id: filepath.ToSlash(filepath.Clean(p)), path: filepath.Join(s.conf.Dir, p)}
		if s.conf.Dir == "" {
			abs, err := filepath.Abs(p)
			if err != nil {
				return fmt.Errorf("file: %w", err)
			}
			f = listed{id: filepath.ToSlash(abs), path: abs}
		}
		if !utf8.ValidString(f.id) {
			return fmt.Errorf("file: the name %q is not UTF-8: a ledger cannot hold it", f.id)
		}
		s.paths = append(s.paths, f)
	}
	slices.SortFunc(s.paths, func(a, b listed) int { return strings.Compare(a.id, b.id) })
	for i := range s.paths[min(1, len(s.paths)):] {
		if s.paths[i].id == s.paths[i+1].id {
			return fmt.Errorf("file: %s is named twice", s.paths[i].path)
		}
	}
	return nil
}

// Info names the source by what it is, and its only topic is Options.Name.
func (s *Source) Info() driver.SourceInfo {
	info := driver.SourceInfo{ID: "file", Topics: []string{s.opts.Name}, Keys: driver.KeysAnywhere}
	if len(s.conf.Paths) == 0 {
		info.Folder = s.folder
	}
	return info
}

// Close closes the files. Batches that were not released keep their memory.
func (s *Source) Close() error {
	for _, l := range s.lanes {
		l.close()
	}
	s.decoders.close()
	return nil
}

// Partitions looks at the folder and returns the files that have a record.
func (s *Source) Partitions(ctx context.Context) ([]record.Partition, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := s.look()
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

// grows says whether more may come after the end of a file.
func (s *Source) grows(kind content) bool { return s.opts.Follow && kind == plain }
