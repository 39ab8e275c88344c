package sinktest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// Memory is a [sink.Store] in memory. It is safe for concurrent use; its zero value is an empty store. It starts no
// goroutine and draws no random number: the same calls in the same order do the same. Several Stores of one process that
// stand for several processes share one Memory, each through a [Faulty] of its own.
type Memory struct {
	// Clock is what Now returns; set it before the first use.
	//
	// Defaults to time.Now.
	Clock func() time.Time

	mu      sync.Mutex
	objects map[string]object
	keys    []string // of objects, sorted
	staged  map[string]*staged
	stages  int // staged so far; numbers the staging IDs
}

// object is immutable.
type object struct {
	body []byte
	id   string // of the staging it was published from
}

// NewMemory makes an empty store.
func NewMemory() *Memory { return new(Memory) }

// Create stores a copy of body.
func (m *Memory) Create(ctx context.Context, key string, body []byte) error {
	if err := check(ctx, "create", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[key]; ok {
		return &fs.PathError{Op: "create", Path: key, Err: fs.ErrExist}
	}
	m.put(key, object{body: bytes.Clone(body)})
	return nil
}

// Read returns a copy of the object.
func (m *Memory) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	o, err := m.open(ctx, "read", key)
	if err != nil {
		return nil, err
	}
	if int64(len(o.body)) > limit {
		return nil, fmt.Errorf("sinktest: read %s: %d bytes, over the limit of %d", key, len(o.body), limit)
	}
	return append([]byte{}, o.body...), nil
}

// ReadRange returns a copy of a part of the object.
func (m *Memory) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := storage.CheckRange(key, offset, length); err != nil {
		return nil, fmt.Errorf("sinktest: read: %w", err)
	}
	o, err := m.open(ctx, "read", key)
	if err != nil {
		return nil, err
	}
	if length > int64(len(o.body))-offset {
		return nil, fmt.Errorf("sinktest: read %s: it has %d bytes, too few for %d from %d on", key, len(o.body), length, offset)
	}
	return bytes.Clone(o.body[offset : offset+length]), nil
}

// Delete deletes an object.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := check(ctx, "delete", key); err != nil {
		return err
	}
	m.Lose(key)
	return nil
}

// Open reads the object as it is now.
func (m *Memory) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	o, err := m.open(ctx, "open", key)
	if err != nil {
		return nil, err
	}
	return &stream{r: bytes.NewReader(o.body)}, nil
}

// stream is an object that is read.
type stream struct{ r *bytes.Reader }

func (s *stream) Read(p []byte) (int, error) {
	if s.r == nil {
		return 0, fs.ErrClosed
	}
	return s.r.Read(p)
}

func (s *stream) Close() error {
	s.r = nil
	return nil
}

func (m *Memory) open(ctx context.Context, op, key string) (object, error) {
	if err := check(ctx, op, key); err != nil {
		return object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return object{}, &fs.PathError{Op: op, Path: key, Err: fs.ErrNotExist}
	}
	return o, nil
}

// List looks each next key up when it is asked for, as a store that answers in pages of one does: it sees objects that
// are created behind its place while it runs.
func (m *Memory) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for after := after; ; {
			if err := ctx.Err(); err != nil {
				yield(storage.Object{}, err)
				return
			}
			o, ok := m.next(prefix, after)
			if !ok || !yield(o, nil) {
				return
			}
			after = o.Key
		}
	}
}

func (m *Memory) next(prefix, after string) (storage.Object, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, _ := slices.BinarySearch(m.keys, prefix)
	if after >= prefix {
		j, ok := slices.BinarySearch(m.keys, after)
		if i = j; ok {
			i++
		}
	}
	if i == len(m.keys) || !strings.HasPrefix(m.keys[i], prefix) {
		return storage.Object{}, false
	}
	return storage.Object{Key: m.keys[i], Size: int64(len(m.objects[m.keys[i]].body))}, true
}

// Now asks Clock.
func (m *Memory) Now(ctx context.Context) (time.Time, error) {
	if m.Clock == nil {
		return time.Now().UTC(), ctx.Err()
	}
	return m.Clock().UTC(), ctx.Err()
}

// Traits tell whether the clock is a test's own, which may jump: a sink then believes it at once. A real store's clock that
// jumps is doubted.
func (m *Memory) Traits() storage.Traits { return storage.Traits{FakeClock: m.Clock != nil} }

// Overwrite puts body under key whatever is there, as no Store can: tests damage objects with it.
func (m *Memory) Overwrite(key string, body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, object{body: bytes.Clone(body), id: m.objects[key].id})
}

// Lose removes an object without a context, as if somebody else had deleted it.
func (m *Memory) Lose(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, ok := slices.BinarySearch(m.keys, key); ok {
		m.keys = slices.Delete(m.keys, i, i+1)
		delete(m.objects, key)
	}
}

// Clone returns an independent copy, so that a test can go on from one state in several ways. Uploads under way belong
// to m; in the copy they are staging that nobody writes to.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{Clock: m.Clock, objects: maps.Clone(m.objects), keys: slices.Clone(m.keys), stages: m.stages}
	for id, s := range m.staged {
		t := *s
		t.body = slices.Clip(t.body) // both may append
		c.stage(id, &t)
	}
	return c
}

// put needs m.mu.
func (m *Memory) put(key string, o object) {
	if i, ok := slices.BinarySearch(m.keys, key); !ok {
		m.keys = slices.Insert(m.keys, i, key)
	}
	if m.objects == nil {
		m.objects = make(map[string]object)
	}
	m.objects[key] = o
}

func check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := storage.CheckKey(key); err != nil {
		return fmt.Errorf("sinktest: %s: %w", op, err)
	}
	return nil
}
