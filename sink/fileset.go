package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
)

// fileSet holds the files of one transaction. It is safe for concurrent use.
type fileSet struct {
	store    Store
	env      *env.Env
	budget   *driver.Budget
	owner    func(context.Context) (string, error) // see keeper.ownerID
	sequence uint64                                // of the transaction, unique in this process
	maxBytes int64                                 // a file of this size is cut

	gathered atomic.Int64 // bytes that open uploads keep in memory, see driver.Gatherer

	mu     sync.Mutex
	live   context.Context // of all uploads, which outlive the calls that write to them; set by the first
	end    context.CancelFunc
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
		s.budget.Add(folderBytes)
	}
	return f
}

// stage begins a staged file. Each attempt has a name of its own: an attempt whose reply was lost leaves a file that the
// sweeper finds, and that must not stand in the way of the next.
func (s *fileSet) stage(ctx context.Context, d *folder) (*part, error) {
	var p *part
	unbounded := *s.env
	unbounded.Attempt = 0
	err := retry.Do(ctx, &unbounded, func(ctx context.Context) error {
		owner, err := s.owner(ctx)
		if err != nil {
			return err
		}
		live, number := s.next(ctx)
		name := owner + "-" + strconv.FormatUint(s.sequence, 10) + "-" + strconv.Itoa(number) + d.ext
		up, err := s.store.Stage(live, d.path+name, owner)
		if err != nil {
			return err
		}
		p = &part{up: up, file: ledger.File{Flow: d.flow, Kind: d.kind, Hour: d.hour, Key: d.path + name}}
		p.gatherer, _ = up.(storage.Gatherer)
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

// next returns the context of uploads and the number of the next file. The context does not end with that of the write
// which happens to begin a file: the job's may be over when the last transaction commits.
func (s *fileSet) next(ctx context.Context) (context.Context, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live, s.end = context.WithCancel(context.WithoutCancel(ctx))
	}
	s.number++
	return s.live, s.number
}

// over ends the context of the uploads. They must have been closed or aborted.
func (s *fileSet) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		s.end()
	}
}

// close makes a staged file durable. It is tried once: after an error an upload is of no use.
func (s *fileSet) close(ctx context.Context, p *part) error {
	ref, err := p.up.Close(ctx)
	s.gather(p, 0)
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
	err := s.env.Wide().Each(ctx, len(files), func(ctx context.Context, i int) error { return files[i].finish(ctx) })
	if err != nil {
		return nil, err
	}
	s.over()
	slices.SortFunc(s.closed, func(a, b ledger.File) int { return cmp.Compare(a.Key, b.Key) })
	return s.closed, nil
}

// abort deletes what was staged. It must not be called once an append that names the files was tried, unless it is
// settled that no entry names them. What it cannot delete the sweeper will.
func (s *fileSet) abort(ctx context.Context) error {
	s.free()
	defer s.over()
	errs := make([]error, len(s.parts))
	_ = s.env.Each(ctx, len(s.parts), func(ctx context.Context, i int) error {
		errs[i] = retry.Attempt(ctx, s.env, s.parts[i].up.Abort)
		s.gather(s.parts[i], 0)
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

// forget lets go of the names of what was staged, once the transaction is over.
func (s *fileSet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budget.Add(-folderBytes * int64(len(s.files)))
	s.files, s.parts, s.closed = nil, nil, nil
}

// gather notes how many bytes an upload keeps in memory. It needs the lock of the part's file, if others may write to it.
func (s *fileSet) gather(p *part, n int64) {
	d := n - p.gathered
	p.gathered = n
	s.gathered.Add(d)
	s.budget.Add(d)
}

// shed closes the files whose uploads keep the most bytes in memory, so that they are sent, and others are begun.
func (s *fileSet) shed(ctx context.Context) error {
	s.mu.Lock()
	files := make([]*outFile, 0, len(s.files))
	for _, f := range s.files {
		files = append(files, f)
	}
	s.mu.Unlock()
	mean := s.gathered.Load() / int64(max(len(files), 1))
	return s.env.Wide().Each(ctx, len(files), func(ctx context.Context, i int) error {
		f := files[i]
		if p := f.cut(mean); p != nil {
			if err := s.close(ctx, p); err != nil {
				return f.fail(err)
			}
		}
		return nil
	})
}
