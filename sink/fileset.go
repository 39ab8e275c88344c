package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/ledger"
)

// fileSet holds the files of one transaction. It is safe for concurrent use.
type fileSet struct {
	store    Store
	env      *env.Env
	owner    func() string // the ID of the owner object that lists the lanes held now
	sequence uint64        // of the transaction, unique in this process
	maxBytes int64         // a file of this size is cut

	mu     sync.Mutex
	files  map[string]*outFile // by folder path, which is unique
	parts  []*part             // all that were staged, in the order they were
	closed []ledger.File
	number int
}

// open returns the file of a folder.
func (s *fileSet) open(d folder) *outFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[d.path]
	if f == nil {
		f = &outFile{folder: d, set: s}
		s.files[d.path] = f
	}
	return f
}

// stage begins a staged file. Each attempt has a name of its own: an attempt whose reply was lost leaves a file that the
// sweeper finds, and that must not stand in the way of the next.
func (s *fileSet) stage(ctx context.Context, d *folder) (*part, error) {
	var p *part
	err := retry(ctx, s.env, func(ctx context.Context) error {
		owner := s.owner()
		s.mu.Lock()
		s.number++
		name := owner + "-" + strconv.FormatUint(s.sequence, 10) + "-" + strconv.Itoa(s.number) + d.ext
		s.mu.Unlock()
		up, err := s.store.Stage(ctx, d.path+name, owner)
		if err != nil {
			return err
		}
		p = &part{up: up, file: ledger.File{Flow: d.flow, Kind: d.kind, Hour: d.hour, Key: d.path + name}}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sink: stage a file in %s: %w", d.path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, p)
	return p, nil
}

// close makes a staged file durable. It is tried once: after an error an upload is of no use.
func (s *fileSet) close(ctx context.Context, p *part) error {
	ref, err := p.up.Close(ctx)
	if err != nil {
		return fmt.Errorf("sink: close %s: %w", p.file.Key, err)
	}
	p.file.Ref = ref
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, p.file)
	return nil
}

// finish makes all files durable and returns them in the order of their keys. No worker may be writing.
func (s *fileSet) finish(ctx context.Context) ([]ledger.File, error) {
	files := make([]*outFile, 0, len(s.files))
	for _, f := range s.files {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b *outFile) int { return cmp.Compare(a.path, b.path) })
	err := s.env.Each(ctx, len(files), func(ctx context.Context, i int) error { return files[i].finish(ctx) })
	if err != nil {
		return nil, err
	}
	slices.SortFunc(s.closed, func(a, b ledger.File) int { return cmp.Compare(a.Key, b.Key) })
	return s.closed, nil
}

// abort deletes what was staged. It must not be called once an append that names the files was tried, unless it is
// settled that no entry names them. What it cannot delete the sweeper will.
func (s *fileSet) abort(ctx context.Context) error {
	s.free()
	errs := make([]error, len(s.parts))
	_ = s.env.Each(ctx, len(s.parts), func(ctx context.Context, i int) error {
		errs[i] = attempt(ctx, s.env, s.parts[i].up.Abort)
		return nil
	})
	return errors.Join(errs...)
}

// free gives the buffers back.
func (s *fileSet) free() {
	for _, f := range s.files {
		for _, b := range f.buffers {
			b.free()
		}
		f.buffers = nil
	}
}
