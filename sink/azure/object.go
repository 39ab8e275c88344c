package azure

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
)

// absent is the condition that there is no such blob.
func absent() *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
}

// Create stores body unless key exists. If the outcome of an attempt is unknown, the next one may find our own object; its
// bytes show whose it is.
func (s *Store) Create(ctx context.Context, key string, body []byte) error {
	if err := driver.CheckKey(key); err != nil {
		return fmt.Errorf("azure: create: %w", err)
	}
	sum := md5.Sum(body)
	unknown := false
	err := s.box.retry.Do(ctx, len(body), func(ctx context.Context) error {
		_, err := s.box.blob(s.box.blobName(key)).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)), &blockblob.UploadOptions{
			AccessConditions: absent(), TransactionalValidation: blob.TransferValidationTypeMD5(sum[:]),
		})
		if exists(err) && unknown {
			if got, readErr := s.read(ctx, key, int64(len(body))); readErr == nil && bytes.Equal(got, body) {
				return nil
			}
		}
		unknown = unknown || passing(err)
		return err
	})
	if exists(err) {
		return fmt.Errorf("azure: %q in container %s: %w", key, s.box.name, fs.ErrExist)
	}
	if err != nil {
		return s.box.fail("create", key, err)
	}
	return nil
}

// Read returns an object of at most limit bytes.
func (s *Store) Read(ctx context.Context, key string, limit int64) (body []byte, err error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, fmt.Errorf("azure: read: %w", err)
	}
	err = s.box.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
		body, err = s.read(ctx, key, limit)
		return err
	})
	if err != nil {
		return nil, s.box.fail("read", key, err)
	}
	return body, nil
}

func (s *Store) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	return s.get(ctx, key, nil, func(n int64) error {
		if n > limit {
			return fmt.Errorf("it has %d bytes, more than the %d expected", n, limit)
		}
		return nil
	})
}

// get reads what the options ask for, if so many bytes fit.
func (s *Store) get(ctx context.Context, key string, within *blob.DownloadStreamOptions, fits func(n int64) error) ([]byte, error) {
	out, err := s.box.blob(s.box.blobName(key)).DownloadStream(ctx, within)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	if out.ContentLength == nil {
		return nil, io.ErrUnexpectedEOF
	}
	n := *out.ContentLength
	if err := fits(n); err != nil {
		return nil, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(out.Body, body)
	return body, err
}

// ReadRange reads length bytes of an object from offset on.
func (s *Store) ReadRange(ctx context.Context, key string, offset, length int64) (body []byte, err error) {
	if err := driver.CheckRange(key, offset, length); err != nil {
		return nil, fmt.Errorf("azure: read: %w", err)
	}
	err = s.box.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
		body, err = s.readRange(ctx, key, offset, length)
		return err
	})
	if err != nil {
		return nil, s.box.fail("read", key, err)
	}
	return body, nil
}

func (s *Store) readRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	within := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: offset, Count: length}}
	return s.get(ctx, key, within, func(n int64) error {
		if n != length {
			return fmt.Errorf("the server sends %d bytes instead of the %d from %d on", n, length, offset)
		}
		return nil
	})
}

// Delete deletes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := driver.CheckKey(key); err != nil {
		return fmt.Errorf("azure: delete: %w", err)
	}
	return s.box.delete(ctx, "delete", key, s.box.blobName(key))
}

// Open reads an object as a stream. The stream is not retried.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, fmt.Errorf("azure: open: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := retry.Stream(ctx, s.box.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		out, err := s.box.blob(s.box.blobName(key)).DownloadStream(ctx, nil)
		return out.Body, err
	})
	if err != nil {
		return nil, s.box.fail("open", key, err)
	}
	return r, nil
}

// List yields objects in the order of their keys' bytes, without those in staging.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		from := ""
		if strings.HasPrefix(after, prefix) && after != "" {
			from = start(s.box.opts.Prefix + after)
		} else if after > prefix || ctx.Err() != nil { // all keys with the prefix are before it
			if err := ctx.Err(); err != nil {
				yield(driver.Object{}, err)
			}
			return
		}
		var o order
		last, ok := "", true
		give := func(ready []driver.Object) bool {
			for _, object := range ready {
				if object.Key <= last {
					ok = false
					yield(driver.Object{}, fmt.Errorf("azure: container %s lists %q after %q, which is not the order of bytes; has the "+
						"account a hierarchical namespace? %w", s.box.name, object.Key, last, driver.ErrPermanent))
					return false
				}
				last = object.Key
				if ok = yield(object, nil); !ok {
					return false
				}
			}
			return true
		}
		for item, err := range s.box.items(ctx, toPrefix(s.box.opts.Prefix+prefix), from, container.ListBlobsInclude{}) {
			if err != nil {
				yield(driver.Object{}, s.box.fail("list", prefix, err))
				return
			}
			if strings.HasPrefix(*item.Name, toPrefix(s.box.staging())) {
				continue
			}
			key := strings.TrimPrefix(toKey(*item.Name), s.box.opts.Prefix)
			// A name that is no key, or is not written so, is another program's.
			if key > after && driver.CheckKey(key) == nil && s.box.blobName(key) == *item.Name {
				o.add(driver.Object{Key: key, Size: size(item)})
			}
			if !give(o.take(strings.TrimPrefix(*item.Name, toPrefix(s.box.opts.Prefix)))) {
				return
			}
		}
		if ok {
			give(o.waiting)
		}
	}
}
