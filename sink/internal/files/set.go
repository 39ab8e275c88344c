package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
	streamdriver "github.com/onceflow/onceflow/stream/driver"
)

// Stage begins a staged file in a folder, under a name of its own that ends with ext, and returns its key. Its call ends
// with ctx; the upload may use live until it is closed or aborted. Several goroutines call it at once.
type Stage func(ctx, live context.Context, folder, ext string) (up driver.Upload, key string, err error)

// File is a staged file that is complete.
type File struct {
	Flow   string
	Kind   Kind
	Hour   time.Time // start of the folder's hour, UTC
	Key    string    // final name in the store
	Length int64     // bytes
	Rows   int64
	CRC32C uint32
	Ref    []byte // the store's: how to publish it

	Contents *Contents // of a pack
}

// Contents is where a pack says what it has.
type Contents struct {
	Offset, Length int64
	CRC32C         uint32
}

// Set has the files of one transaction. It is safe for concurrent use unless a method says otherwise.
type Set struct {
	stage    Stage
	maxBytes int64 // a file of this size is cut
	env      *env.Env
	budget   *streamdriver.Budget
	gathered atomic.Int64 // bytes that open uploads keep in memory, see driver.Gatherer

	mu     sync.Mutex
	live   context.Context // of all uploads, which outlive the calls that write to them; set by the first
	end    context.CancelFunc
	files  map[string]*outFile // by folder path, which is unique
	packs  map[string]*packer  // by folder path and flow
	parts  []*part             // all that were staged, in the order they were
	closed []File
}

// NewSet makes a Set without files. A file that reaches maxBytes is cut, and another one begun.
func NewSet(stage Stage, maxBytes int64, e *env.Env, budget *streamdriver.Budget) *Set {
	return &Set{stage: stage, maxBytes: maxBytes, env: e, budget: budget, files: map[string]*outFile{}, packs: map[string]*packer{}}
}

// open returns the file of a folder.
func (s *Set) open(d folder) *outFile {
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

// packer returns the one of a flow and hour.
func (s *Set) packer(flow string, hour time.Time, l *Layout, shared *shared) *packer {
	path := l.Packs(hour)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.packs[flow+" "+path]
	if p == nil {
		p = &packer{folder: folder{flow: flow, kind: Pack, hour: hour, path: path, ext: packExt}, set: s, shared: shared}
		s.packs[flow+" "+path] = p
		s.budget.Add(folderBytes)
	}
	return p
}

// begin stages a file.
func (s *Set) begin(ctx context.Context, d *folder) (*part, error) {
	up, key, err := s.stage(ctx, s.uploads(ctx), d.path, d.ext)
	if err != nil {
		return nil, err
	}
	p := &part{up: up, file: File{Flow: d.flow, Kind: d.kind, Hour: d.hour, Key: key}}
	p.gatherer, _ = up.(driver.Gatherer)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, p)
	return p, nil
}

// uploads is the context of uploads. The context of the write that begins a file does not end it, since the job's may have
// ended when the last transaction commits.
func (s *Set) uploads(ctx context.Context) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live, s.end = context.WithCancel(context.WithoutCancel(ctx))
	}
	return s.live
}

// over ends the context of the uploads. All must have been closed or aborted.
func (s *Set) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		s.end()
	}
}

// close makes a staged file durable. It does not retry, since an upload is of no use after an error.
func (s *Set) close(ctx context.Context, p *part) error {
	if p.joined != nil {
		if err := p.joined.Close(); err != nil {
			return fmt.Errorf("sink: write %s: %w", p.file.Key, err)
		}
	}
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

// Finish makes all files durable and returns them in the order of their keys. No worker may be writing. After an error only
// Abort is allowed.
func (s *Set) Finish(ctx context.Context) ([]File, error) {
	files := s.all()
	slices.SortFunc(files, func(a, b *outFile) int { return cmp.Compare(a.path, b.path) })
	packs := slices.SortedFunc(maps.Values(s.packs), func(a, b *packer) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.flow, b.flow))
	})
	err := s.env.Wide().Each(ctx, len(files)+len(packs), func(ctx context.Context, i int) error {
		if i < len(packs) {
			return packs[i].finish(ctx)
		}
		return files[i-len(packs)].finish(ctx)
	})
	if err != nil {
		return nil, err
	}
	s.over()
	slices.SortFunc(s.closed, func(a, b File) int { return cmp.Compare(a.Key, b.Key) })
	return s.closed, nil
}

func (s *Set) all() []*outFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.files))
}

// Abort deletes what was staged. Once an append that names the files was tried, it must not be called before it is certain
// that no entry names them. The sweeper deletes what Abort cannot.
func (s *Set) Abort(ctx context.Context) error {
	defer s.over()
	for _, f := range s.files {
		f.free()
	}
	for _, p := range s.packs {
		p.free()
	}
	errs := make([]error, len(s.parts))
	_ = s.env.Each(ctx, len(s.parts), func(ctx context.Context, i int) error {
		errs[i] = retry.Attempt(ctx, s.env.Attempt, s.parts[i].up.Abort)
		s.gather(s.parts[i], 0)
		return nil
	})
	return errors.Join(errs...)
}

// forget frees the names of staged files once the transaction is over.
func (s *Set) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budget.Add(-folderBytes * int64(len(s.files)+len(s.packs)))
	s.files, s.packs, s.parts, s.closed = nil, nil, nil, nil
}

// gather notes how many bytes an upload has in memory. The caller holds the lock of the part's file, if others may write to
// it.
func (s *Set) gather(p *part, n int64) {
	d := n - p.gathered
	p.gathered = n
	s.gathered.Add(d)
	s.budget.Add(d)
}

// shed closes the files whose uploads have the most bytes in memory. That sends the bytes; further rows begin new files.
func (s *Set) shed(ctx context.Context) error {
	files := s.all()
	mean := s.gathered.Load() / int64(max(len(files), 1))
	return s.env.Wide().Each(ctx, len(files), func(ctx context.Context, i int) error {
		if p := files[i].cut(mean); p != nil {
			return files[i].closed(s.close(ctx, p))
		}
		return nil
	})
}
