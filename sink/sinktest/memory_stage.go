package sinktest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// staged is a file in staging.
type staged struct {
	key, owner string
	body       []byte
	closed     bool
}

// memoryRef is what Publish needs: the place and the identity of a staged file.
type memoryRef struct {
	Key  string `json:"key"`
	ID   string `json:"id"`
	Size int    `json:"size"`
	CRC  uint32 `json:"crc"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Stage begins an upload.
func (m *Memory) Stage(ctx context.Context, key, owner string, _ int64) (storage.Upload, error) {
	if err := cmp.Or(check(ctx, "stage", key), storage.CheckOwner(owner)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stages++
	id := fmt.Sprintf("stage-%08d", m.stages)
	m.stage(id, &staged{key: key, owner: owner})
	return &memoryUpload{m: m, id: id}, nil
}

// stage needs m.mu.
func (m *Memory) stage(id string, s *staged) {
	if m.staged == nil {
		m.staged = make(map[string]*staged)
	}
	m.staged[id] = s
}

// Publish moves a closed file to its key.
func (m *Memory) Publish(ctx context.Context, ref []byte) error {
	var r memoryRef
	if err := json.Unmarshal(ref, &r); err != nil {
		return fmt.Errorf("sinktest: publish: bad ref: %w", err)
	}
	if err := check(ctx, "publish", r.Key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.objects[r.Key]; ok {
		if o.id != r.ID || r.differs(o.body) {
			return fmt.Errorf("sinktest: publish %s: another file has the key: %w", r.Key, storage.ErrStagingLost)
		}
		return nil
	}
	s, ok := m.staged[r.ID]
	if !ok || !s.closed || s.key != r.Key || r.differs(s.body) {
		return fmt.Errorf("sinktest: publish %s: no staging %s: %w", r.Key, r.ID, storage.ErrStagingLost)
	}
	delete(m.staged, r.ID)
	m.put(r.Key, object{body: s.body, id: r.ID})
	return nil
}

func (r memoryRef) differs(body []byte) bool {
	return len(body) != r.Size || crc32.Checksum(body, castagnoli) != r.CRC
}

// Staged yields the staging there was when it was called, in the order of its beginning.
func (m *Memory) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(storage.Staging{}, err)
			return
		}
		for _, s := range m.staging() {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (m *Memory) staging() []storage.Staging {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]storage.Staging, 0, len(m.staged))
	for id, s := range m.staged {
		list = append(list, storage.Staging{Key: s.key, Owner: s.owner, ID: id, Bytes: int64(len(s.body))})
	}
	slices.SortFunc(list, func(a, b storage.Staging) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Discard deletes staging; an upload that is under way fails from then on.
func (m *Memory) Discard(ctx context.Context, s storage.Staging) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.staged, s.ID)
	return nil
}

// RefKey is the key that a ref publishes; empty if it is not a ref of a Memory.
func (m *Memory) RefKey(ref []byte) string {
	var r memoryRef
	if json.Unmarshal(ref, &r) != nil {
		return ""
	}
	return r.Key
}

// memoryUpload is a handle on a file in staging.
type memoryUpload struct {
	m  *Memory
	id string
}

var errUpload = errors.New("sinktest: upload was closed, aborted or discarded")

func (u *memoryUpload) Write(p []byte) (int, error) {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	s, ok := u.m.staged[u.id]
	if !ok || s.closed {
		return 0, errUpload
	}
	s.body = append(s.body, p...)
	return len(p), nil
}

func (u *memoryUpload) Close(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	s, ok := u.m.staged[u.id]
	if !ok || s.closed {
		return nil, errUpload
	}
	s.closed = true
	return json.Marshal(memoryRef{s.key, u.id, len(s.body), crc32.Checksum(s.body, castagnoli)})
}

func (u *memoryUpload) Abort(ctx context.Context) error {
	return u.m.Discard(ctx, storage.Staging{ID: u.id})
}
