package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// bucket is what is checked: a folder, or later an object store. It only reads.
type bucket interface {
	// List yields all objects, in any order. Staging is none.
	List(ctx context.Context) iter.Seq2[object, error]

	// Open reads an object; the error matches fs.ErrNotExist if there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
}

type object struct {
	Key  string
	Size int64
}

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

func (f folder) Open(_ context.Context, key string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), filepath.FromSlash(key)))
}

// list returns the size of each object.
func list(ctx context.Context, b bucket) (map[string]int64, error) {
	sizes := make(map[string]int64)
	for o, err := range b.List(ctx) {
		if err != nil {
			return nil, err
		}
		sizes[o.Key] = o.Size
	}
	return sizes, nil
}

// read returns a whole object of at most limit bytes.
func read(ctx context.Context, b bucket, key string, limit int64) ([]byte, error) {
	r, err := b.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errors.New("it is longer than the format allows")
	}
	return body, err
}
