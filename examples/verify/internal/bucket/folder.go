package bucket

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

// Folder is a Bucket on a local disk.
type Folder string

// staging is where the file store keeps what is not published.
const staging = "_onceflow/.staging"

// List leaves out what is staged.
func (f Folder) List(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
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
			if !yield(Object{key, info.Size()}, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(Object{}, err)
		}
	}
}

// Staged takes the names of staged files apart: see docs/format.md.
func (f Folder) Staged(ctx context.Context, key string) (staged bool, err error) {
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

// Open opens a file.
func (f Folder) Open(_ context.Context, key string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), filepath.FromSlash(key)))
}
