package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// folder is a bucket on a local disk.
type folder string

// staging is where the file store keeps what is not published.
const staging = "_onceflow/.staging"

func (f folder) List(ctx context.Context) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		stopped := errors.New("stopped")
		err := filepath.WalkDir(string(f), func(path string, d fs.DirEntry, err error) error {
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			name, err := filepath.Rel(string(f), path)
			key := filepath.ToSlash(name)
			if d.IsDir() && key == staging {
				return filepath.SkipDir
			}
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if !yield(object{key, info.Size()}, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(object{}, err)
		}
	}
}

// Staged takes the names of staged files apart: see docs/format.md.
func (f folder) Staged(ctx context.Context, key string) (staged bool, err error) {
	top := filepath.Join(string(f), filepath.FromSlash(staging))
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // published meanwhile, or there is no staging
			return nil
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(top, path)
		name, whole := strings.CutSuffix(strings.ReplaceAll(filepath.ToSlash(name), "+/", ""), ",")
		if parts := strings.SplitN(name, ",", 3); whole && !d.IsDir() && len(parts) == 3 {
			staged = staged || strings.ReplaceAll(parts[2], ",", "/") == key
		}
		return err
	})
	return staged, err
}

func (f folder) Open(_ context.Context, key string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), filepath.FromSlash(key)))
}
