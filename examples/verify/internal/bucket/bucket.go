// Package bucket reads what package main checks: a folder, or a bucket of S3 or Google Cloud Storage. It writes nothing.
package bucket

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Bucket is what is checked. Its methods are safe for concurrent use. Keys have no prefix of the place.
type Bucket interface {
	// List yields all objects, in any order. Staging is none.
	List(ctx context.Context) iter.Seq2[Object, error]

	// Open reads an object; the error matches fs.ErrNotExist if there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
}

// Stager is a Bucket that tells what is staged.
type Stager interface {
	// Staged tells whether a file is staged that is to be published under key.
	Staged(ctx context.Context, key string) (bool, error)
}

// Object is what a listing tells.
type Object struct {
	Key  string
	Size int64
}

// Sizes lists all objects and returns the size of each.
func Sizes(ctx context.Context, b Bucket) (map[string]int64, error) {
	sizes := make(map[string]int64)
	for o, err := range b.List(ctx) {
		if err != nil {
			return nil, err
		}
		sizes[o.Key] = o.Size
	}
	return sizes, nil
}

// Read returns a whole object of at most limit bytes.
func Read(ctx context.Context, b Bucket, key string, limit int64) ([]byte, error) {
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
