package scaler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Memory keeps a few kilobytes over a restart.
type Memory interface {
	// Load returns what was saved last, or an error matching fs.ErrNotExist if nothing was.
	Load(ctx context.Context) ([]byte, error)

	// Save replaces it as a whole. It must not retain b.
	Save(ctx context.Context, b []byte) error
}

// FileMemory keeps the memory in a file. Its folder must be there.
func FileMemory(path string) Memory { return fileMemory(path) }

type fileMemory string

func (f fileMemory) Load(context.Context) ([]byte, error) { return os.ReadFile(string(f)) }

func (f fileMemory) Save(_ context.Context, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(string(f)), filepath.Base(string(f))+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), string(f))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// remembered is what a Scaler saves.
type remembered struct {
	Last   Change          `json:"last,omitzero"`
	Size   Size            `json:"size,omitzero"` // as of the last step
	Policy json.RawMessage `json:"policy,omitempty"`
}

// load restores the memory once. A memory that cannot be read now is tried again in the next step; until then the Scaler
// decides nothing, since it would forget what it has learned.
func (s *Scaler) load(ctx context.Context) error {
	if s.loaded || s.o.Memory == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	b, err := s.o.Memory.Load(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		s.loaded = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("scaler: load memory: %w", err)
	}
	s.loaded = true
	var r remembered
	if err := json.Unmarshal(b, &r); err != nil {
		s.o.Logger.Warn("scaler: memory is damaged; starting anew", "error", err)
		return nil
	}
	s.last, s.size = r.Last, r.Size
	if err := restore(s.policy, r.Policy); err != nil {
		s.o.Logger.Warn("scaler: memory of the policy is damaged; starting anew", "error", err)
	}
	return nil
}

func (s *Scaler) save(ctx context.Context) error {
	if s.o.Memory == nil {
		return nil
	}
	policy, err := save(s.policy)
	if err != nil {
		return fmt.Errorf("scaler: save memory: %w", err)
	}
	b, err := json.Marshal(remembered{s.last, s.size, policy})
	if err != nil {
		return fmt.Errorf("scaler: save memory: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := s.o.Memory.Save(ctx, b); err != nil {
		return fmt.Errorf("scaler: save memory: %w", err)
	}
	return nil
}
