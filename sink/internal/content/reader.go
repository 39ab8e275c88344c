package content

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/pack"
	"github.com/onceflow/onceflow/sink/manifest"
	stream "github.com/onceflow/onceflow/stream/driver"
)

// Reader reads what manifests name. It is safe for concurrent use.
type Reader struct {
	store driver.Store
	joins map[string]format.Join // by name

	mu    sync.Mutex       // a leaf, but for a list's, which may be held when it is taken
	lists map[string]*list // by key of the pack
	order []string         // of lists, the oldest first
	held  int              // segments of all lists that were read
	most  int              // of these
}

// mostHeld is how many segments the lists have together that a Reader keeps; a segment takes some 80 bytes.
const mostHeld = 64 << 10

// list is what a pack has. Its lock is held while it is read, so that it is read once.
type list struct {
	mu   sync.Mutex
	said *pack.Contents
}

// New returns a Reader of objects in store, whose calls should be tried again by it. joins make files of the rows of formats that
// have one.
func New(store driver.Store, joins ...format.Joiner) *Reader {
	r := &Reader{store: store, joins: map[string]format.Join{}, lists: map[string]*list{}, most: mostHeld}
	for _, j := range joins {
		join := j.Join()
		r.joins[join.Name()] = join
	}
	return r
}

// contents reads what a pack has, once, unless so many other packs were read since that it is forgotten.
func (r *Reader) contents(ctx context.Context, p *manifest.Pack) (*pack.Contents, error) {
	r.mu.Lock()
	l := r.lists[p.Key]
	if l == nil {
		l = &list{}
		r.lists[p.Key] = l
		r.order = append(r.order, p.Key)
	}
	r.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said != nil {
		return l.said, nil
	}
	b, err := r.part(ctx, p, p.Contents.Offset, p.Contents.Length)
	if err != nil {
		return nil, err
	}
	sum, err := strconv.ParseUint(p.Contents.CRC32C, 16, 32)
	if err != nil {
		return nil, damaged(p, fmt.Errorf("its manifest says %q for a checksum", p.Contents.CRC32C))
	}
	if l.said, err = pack.ReadContents(b, uint32(sum), p.Rows); err != nil {
		return nil, damaged(p, err)
	}
	r.keep(l)
	return l.said, nil
}

// keep counts a list that was read, and forgets the oldest ones.
func (r *Reader) keep(l *list) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held += len(l.said.List)
	for r.held > r.most && len(r.order) > 1 {
		oldest := r.lists[r.order[0]]
		if oldest == l || !oldest.mu.TryLock() { // it is being read
			return
		}
		if oldest.said != nil {
			r.held -= len(oldest.said.List)
		}
		oldest.mu.Unlock()
		delete(r.lists, r.order[0])
		r.order = r.order[1:]
	}
}

// part reads some bytes of a pack.
func (r *Reader) part(ctx context.Context, p *manifest.Pack, offset, length int64) ([]byte, error) {
	b, err := r.store.ReadRange(ctx, p.Key, offset, length)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &GoneError{*p}
	}
	if err != nil {
		return nil, fmt.Errorf("sink: read %d bytes of the pack %s: %w", length, p.Key, err)
	}
	return b, nil
}

// GoneError is a pack that is not there any more. It matches stream.ErrStop.
type GoneError struct{ Pack manifest.Pack }

func (e *GoneError) Error() string {
	return fmt.Sprintf("sink: the pack %s is gone: packs are deleted some time after their hour was sealed (sink.Options.Keep), and then "+
		"the rows are in the files of that hour, %s, alone", e.Pack.Key, e.Pack.Hour.UTC().Format("2006-01-02T15:04Z"))
}

// Is reports whether target is stream.ErrStop.
func (e *GoneError) Is(target error) bool { return target == stream.ErrStop }

// DamagedError is a pack that is not what the ledger says. It matches stream.ErrStop.
type DamagedError struct {
	Key string
	Err error
}

func damaged(p *manifest.Pack, err error) error { return &DamagedError{p.Key, err} }

func (e *DamagedError) Error() string {
	return fmt.Sprintf("sink: the pack %s was damaged: %v; put the object back as it was, if there is a copy, such as an older version", e.Key, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Is reports whether target is stream.ErrStop.
func (e *DamagedError) Is(target error) bool { return target == stream.ErrStop }
