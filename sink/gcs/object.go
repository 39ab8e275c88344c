package gcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Create stores body unless key exists. If the outcome of an attempt is unknown, the next one may find our own object; its
// bytes show whose it is.
func (s *Store) Create(ctx context.Context, key string, body []byte) error {
	if err := driver.CheckKey(key); err != nil {
		return fmt.Errorf("gcs: create: %w", err)
	}
	unknown := false
	err := s.retry.Do(ctx, len(body), func(ctx context.Context) error {
		err := s.put(ctx, s.opts.Prefix+key, body)
		if httpStatus(err) == http.StatusPreconditionFailed && unknown {
			if got, readErr := s.read(ctx, key, int64(len(body))); readErr == nil && bytes.Equal(got, body) {
				return nil
			}
		}
		unknown = unknown || err != nil && httpStatus(err) != http.StatusPreconditionFailed
		return err
	})
	if httpStatus(err) == http.StatusPreconditionFailed {
		return s.taken(ctx, key)
	}
	if err != nil {
		return s.fail("create", key, err)
	}
	return nil
}

// taken checks that a failed precondition means that the key exists, since some permission errors look the same.
func (s *Store) taken(ctx context.Context, key string) error {
	err := s.retry.Do(ctx, 0, func(ctx context.Context) error {
		_, err := s.object(s.opts.Prefix + key).Attrs(ctx)
		return err
	})
	if err != nil {
		return s.fail("create", key, fmt.Errorf("the service said that it exists, but it cannot be read: %w", err))
	}
	return fmt.Errorf("gcs: %q in bucket %s: %w", key, s.name, fs.ErrExist)
}

// put sends body whole, in one request, with its checksum. After a failed Write the context ends the request, before Close
// could publish half of a body.
func (s *Store) put(ctx context.Context, name string, body []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := s.object(name).If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	w.ChunkSize = 0
	w.CRC32C, w.SendCRC32C = crc32.Checksum(body, castagnoli), true
	if _, err := w.Write(body); err != nil {
		cancel()
		return errors.Join(err, w.Close())
	}
	if err := w.Close(); err != nil {
		return err
	}
	s.clock.Hear(w.Attrs().Created)
	return nil
}

// Read returns an object of at most limit bytes.
func (s *Store) Read(ctx context.Context, key string, limit int64) (body []byte, err error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, fmt.Errorf("gcs: read: %w", err)
	}
	err = s.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
		body, err = s.read(ctx, key, limit)
		return err
	})
	if notFound(err) {
		return nil, fmt.Errorf("gcs: %q in bucket %s: %w", key, s.name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, s.fail("read", key, err)
	}
	return body, nil
}

func (s *Store) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	r, err := s.object(s.opts.Prefix + key).ReadCompressed(true).NewReader(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // what was only read
	if r.Attrs.Size > limit {
		return nil, fmt.Errorf("it has %d bytes, more than the %d expected", r.Attrs.Size, limit)
	}
	return io.ReadAll(r)
}

// ReadRange reads length bytes of an object from offset on.
func (s *Store) ReadRange(ctx context.Context, key string, offset, length int64) (body []byte, err error) {
	if err := driver.CheckRange(key, offset, length); err != nil {
		return nil, fmt.Errorf("gcs: read: %w", err)
	}
	err = s.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
		body, err = s.readRange(ctx, key, offset, length)
		return err
	})
	if notFound(err) {
		return nil, fmt.Errorf("gcs: %q in bucket %s: %w", key, s.name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, s.fail("read", key, err)
	}
	return body, nil
}

func (s *Store) readRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	r, err := s.object(s.opts.Prefix+key).ReadCompressed(true).NewRangeReader(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // what was only read
	if n := r.Remain(); n != length {
		return nil, fmt.Errorf("the server sends %d bytes instead of the %d from %d on", n, length, offset)
	}
	body := make([]byte, length)
	_, err = io.ReadFull(r, body)
	return body, err
}

// Delete deletes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := driver.CheckKey(key); err != nil {
		return fmt.Errorf("gcs: delete: %w", err)
	}
	return s.remove(ctx, s.opts.Prefix+key)
}

// Open reads an object as a stream. The stream is not retried, and once it has begun only ctx bounds it.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, fmt.Errorf("gcs: open: %w", err)
	}
	r, err := retry.Stream(ctx, s.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		r, err := s.object(s.opts.Prefix + key).ReadCompressed(true).NewReader(ctx)
		if err != nil {
			return nil, err
		}
		return r, nil
	})
	if notFound(err) {
		return nil, fmt.Errorf("gcs: %q in bucket %s: %w", key, s.name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, s.fail("open", key, err)
	}
	return r, nil
}

// List yields objects in the order of their keys' bytes. It leaves out staging, and names that are no keys, which are other
// programs'.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		for attrs, err := range s.list(ctx, s.opts.Prefix+prefix, after) {
			if err != nil {
				yield(driver.Object{}, s.fail("list", prefix, err))
				return
			}
			key := strings.TrimPrefix(attrs.Name, s.opts.Prefix)
			if strings.HasPrefix(attrs.Name, s.staging()) || driver.CheckKey(key) != nil {
				continue
			}
			if !yield(driver.Object{Key: key, Size: attrs.Size}, nil) {
				return
			}
		}
	}
}

// list asks for a page at a time. The client would repeat its requests without end, each without a deadline.
func (s *Store) list(ctx context.Context, prefix, after string) iter.Seq2[*storage.ObjectAttrs, error] {
	return func(yield func(*storage.ObjectAttrs, error) bool) {
		q := &storage.Query{Prefix: prefix, Projection: storage.ProjectionNoACL}
		if after != "" {
			q.StartOffset = s.opts.Prefix + after + "\x00"
		}
		if err := q.SetAttrSelection([]string{"Name", "Size", "Metadata"}); err != nil {
			yield(nil, err)
			return
		}
		for token, more := "", true; more; more = token != "" {
			var page []*storage.ObjectAttrs
			err := s.retry.Do(ctx, 0, func(ctx context.Context) error {
				page = nil
				objects := s.bucket.Retryer(storage.WithPolicy(storage.RetryNever)).Objects(ctx, q)
				next, err := iterator.NewPager(objects, s.page, token).NextPage(&page)
				if err == nil {
					token = next
				}
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, attrs := range page {
				if !yield(attrs, nil) {
					return
				}
			}
		}
	}
}
