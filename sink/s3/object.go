package s3

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Create stores body unless key exists. If an attempt ended in the unknown, the next one may find our own object; its
// bytes tell whose it is.
func (s *Store) Create(ctx context.Context, key string, body []byte) error {
	if err := driver.CheckKey(key); err != nil {
		return fmt.Errorf("s3: create: %w", err)
	}
	unknown := false
	err := s.bucket.retry.Do(ctx, len(body), func(ctx context.Context) error {
		in := &s3.PutObjectInput{
			Bucket: &s.bucket.name, Key: s.bucket.key(key), Body: bytes.NewReader(body),
			IfNoneMatch: aws.String("*"), ChecksumCRC32C: aws.String(encodeSum(crc32.Checksum(body, castagnoli))),
		}
		in.ServerSideEncryption, in.SSEKMSKeyId = s.bucket.encryption()
		out, err := s.bucket.client.PutObject(ctx, in)
		switch {
		case err == nil:
			s.bucket.learn(out.ResultMetadata)
			return nil
		case exists(err) && unknown:
			got, readErr := s.read(ctx, key, int64(len(body)))
			if readErr == nil && bytes.Equal(got, body) {
				return nil
			}
		}
		unknown = unknown || passing(err)
		return err
	})
	if err != nil && exists(err) {
		return fmt.Errorf("s3: %q in bucket %s: %w", key, s.bucket.name, fs.ErrExist)
	}
	if err != nil {
		return s.bucket.fail("create", key, err)
	}
	return nil
}

// Read returns an object of at most limit bytes.
func (s *Store) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, fmt.Errorf("s3: read: %w", err)
	}
	var body []byte
	err := s.bucket.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
		body, err = s.read(ctx, key, limit)
		return err
	})
	if err != nil {
		return nil, s.bucket.fail("read", key, err)
	}
	return body, nil
}

func (s *Store) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	return s.get(ctx, &s3.GetObjectInput{Key: s.bucket.key(key)}, func(n int64) error {
		if n > limit {
			return fmt.Errorf("it has %d bytes, more than the %d expected", n, limit)
		}
		return nil
	})
}

// get reads what a request asks for, if so many bytes fit.
func (s *Store) get(ctx context.Context, in *s3.GetObjectInput, fits func(n int64) error) ([]byte, error) {
	in.Bucket = &s.bucket.name
	out, err := s.bucket.client.GetObject(ctx, in)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	s.bucket.learn(out.ResultMetadata)
	n := aws.ToInt64(out.ContentLength)
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
		return nil, fmt.Errorf("s3: read: %w", err)
	}
	err = s.bucket.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
		body, err = s.readRange(ctx, key, offset, length)
		return err
	})
	if err != nil {
		return nil, s.bucket.fail("read", key, err)
	}
	return body, nil
}

func (s *Store) readRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	within := fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	return s.get(ctx, &s3.GetObjectInput{Key: s.bucket.key(key), Range: &within}, func(n int64) error {
		if n != length {
			return fmt.Errorf("the server sends %d bytes instead of the %d from %d on", n, length, offset)
		}
		return nil
	})
}

// Delete deletes an object. In a bucket with versions it adds a marker.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := driver.CheckKey(key); err != nil {
		return fmt.Errorf("s3: delete: %w", err)
	}
	return s.bucket.remove(ctx, key)
}

// Open reads an object as a stream. The stream is not retried, and once it has begun only ctx bounds it.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, fmt.Errorf("s3: open: %w", err)
	}
	r, err := retry.Stream(ctx, s.bucket.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		out, err := s.bucket.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket.name, Key: s.bucket.key(key)})
		if err != nil {
			return nil, err
		}
		return out.Body, nil
	})
	if err != nil {
		return nil, s.bucket.fail("open", key, err)
	}
	return r, nil
}

// List yields objects in the order of their keys' bytes, a request for each 1,000. It leaves out staging, and names that are
// no keys, which are other programs'.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		for o, err := range list(ctx, s.bucket, prefix, after) {
			if err == nil && (strings.HasPrefix(o.Key, stagingFolder) || driver.CheckKey(o.Key) != nil) {
				continue
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}
