package main

import (
	"context"
	"errors"
	"io"
	"iter"
)

// bucket is what is checked: a folder, or a bucket of an object store. It only reads. Its methods are safe for concurrent
// use. Keys have no prefix of the place.
type bucket interface {
	// List yields all objects, in any order. Staging is none.
	List(ctx context.Context) iter.Seq2[object, error]

	// Open reads an object; the error matches fs.ErrNotExist if there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
}

// stager is a bucket that tells what is staged.
type stager interface {
	// Staged tells whether a file is staged that is to be published under key.
	Staged(ctx context.Context, key string) (bool, error)
}

type object struct {
	Key  string
	Size int64
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
