package gcs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"path"
	"strings"

	"cloud.google.com/go/storage"

	"github.com/onceflow/onceflow/sink"
)

// Object metadata: the token by which a file is known again, which a move keeps, and its final key. The staging name has
// the token, so that two uploads for one key do not meet, and not the key, which may be as long as a name may be.
const (
	tokenKey = "onceflow-token"
	finalKey = "onceflow-key"
)

// ref is what Publish needs.
type ref struct {
	Key        string `json:"key"`
	Staging    string `json:"staging"`
	Token      string `json:"token"`
	Generation int64  `json:"generation"`
	Size       int64  `json:"size"`
	CRC32C     uint32 `json:"crc32c"`
}

type upload struct {
	s      *Store
	w      *storage.Writer
	cancel context.CancelFunc
	ref    ref
	failed error
}

// Stage begins a file under its staging name.
func (s *Store) Stage(ctx context.Context, key, owner string) (sink.Upload, error) {
	if err := errors.Join(sink.CheckKey(key), sink.CheckOwner(owner), ctx.Err()); err != nil {
		return nil, fmt.Errorf("gcs: stage: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	u := &upload{s: s, cancel: cancel, ref: ref{Key: key, Token: rand.Text()}}
	u.ref.Staging = s.staging() + owner + "-" + u.ref.Token
	// The client repeats a chunk whose answer was lost: the session knows what it has. Without a retry policy for all
	// errors it would give up at the first 503.
	u.w = s.bucket.Object(u.ref.Staging).Retryer(storage.WithPolicy(storage.RetryAlways)).
		If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	u.w.ChunkSize = s.opts.ChunkBytes
	u.w.ChunkRetryDeadline = s.opts.Timeout
	u.w.Metadata = map[string]string{tokenKey: u.ref.Token, finalKey: key}
	return u, nil
}

func (u *upload) Write(p []byte) (int, error) {
	if u.failed != nil {
		return 0, u.failed
	}
	n, err := u.w.Write(p)
	u.ref.Size += int64(n)
	u.ref.CRC32C = crc32.Update(u.ref.CRC32C, castagnoli, p[:n])
	if err != nil {
		u.failed = u.s.fail("stage", u.ref.Key, err)
	}
	return n, u.failed
}

// Gathered is the client's chunk, which it makes with the first Write.
func (u *upload) Gathered() int64 {
	if u.ref.Size == 0 {
		return 0
	}
	return int64(u.s.opts.ChunkBytes)
}

// Close ends the upload. If the answer is lost, the object says whether it is there whole.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if err := errors.Join(u.failed, ctx.Err()); err != nil {
		u.failed = err
		return nil, err
	}
	attrs, err := u.end(ctx)
	if err != nil {
		u.failed = u.s.fail("stage", u.ref.Key, err)
		return nil, u.failed
	}
	if attrs.Size != u.ref.Size || attrs.CRC32C != u.ref.CRC32C || attrs.Metadata[tokenKey] != u.ref.Token {
		u.failed = fmt.Errorf("gcs: what was staged for %q is not what was sent", u.ref.Key)
		return nil, u.failed
	}
	u.s.clock.set(attrs.Created)
	u.ref.Generation = attrs.Generation
	return json.Marshal(u.ref)
}

func (u *upload) end(ctx context.Context) (*storage.ObjectAttrs, error) {
	err := u.w.Close()
	u.cancel()
	if err == nil {
		return u.w.Attrs(), nil
	}
	var attrs *storage.ObjectAttrs
	lookErr := u.s.do(ctx, 0, func(ctx context.Context) (err error) {
		attrs, err = u.s.object(u.ref.Staging).Attrs(ctx)
		return err
	})
	if lookErr != nil {
		return nil, errors.Join(err, lookErr)
	}
	return attrs, nil
}

// Abort cancels the upload before it ends it, else the client would store the half of it that was sent.
func (u *upload) Abort(ctx context.Context) error {
	u.cancel()
	_ = u.w.Close() // its error is the cancellation
	u.failed = errors.New("gcs: the upload was aborted")
	return u.s.remove(ctx, u.ref.Staging)
}

// Publish moves a staged file to its final name. Whatever the answer was but a plain yes, the object there tells.
func (s *Store) Publish(ctx context.Context, encoded []byte) error {
	var r ref
	if err := json.Unmarshal(encoded, &r); err != nil || r.Key == "" || !strings.HasPrefix(r.Staging, s.staging()) {
		return fmt.Errorf("gcs: not a reference to a staged file: %w", err)
	}
	from := s.object(r.Staging).If(storage.Conditions{GenerationMatch: r.Generation})
	err := s.do(ctx, 0, func(ctx context.Context) error {
		_, err := from.Move(ctx, storage.MoveObjectDestination{
			Object: s.opts.Prefix + r.Key, Conditions: &storage.Conditions{DoesNotExist: true},
		})
		if err == nil {
			return nil
		}
		attrs, lookErr := s.object(s.opts.Prefix + r.Key).Attrs(ctx)
		switch {
		case notFound(lookErr):
			return err
		case lookErr != nil:
			return lookErr
		case attrs.Metadata[tokenKey] == r.Token && attrs.Size == r.Size && attrs.CRC32C == r.CRC32C:
			return nil
		}
		return fmt.Errorf("%w: another object has the key", sink.ErrStagingLost)
	})
	if notFound(err) {
		return fmt.Errorf("gcs: %w: %q in bucket %s is neither staged nor in place; somebody deleted it, or a lifecycle rule did",
			sink.ErrStagingLost, r.Key, s.name)
	}
	if err != nil {
		return s.fail("publish", r.Key, err)
	}
	return nil
}

// Staged yields the files whose upload has ended.
func (s *Store) Staged(ctx context.Context) iter.Seq2[sink.Staging, error] {
	return func(yield func(sink.Staging, error) bool) {
		for attrs, err := range s.list(ctx, s.staging(), "") {
			if err != nil {
				yield(sink.Staging{}, s.fail("list", s.staging(), err))
				return
			}
			owner, _, ok := strings.Cut(path.Base(attrs.Name), "-")
			if !ok || attrs.Metadata[finalKey] == "" {
				continue // the clock
			}
			if !yield(sink.Staging{Key: attrs.Metadata[finalKey], Owner: owner, ID: attrs.Name, Bytes: attrs.Size}, nil) {
				return
			}
		}
	}
}

// Discard deletes a staged file. Published files have other names.
func (s *Store) Discard(ctx context.Context, st sink.Staging) error {
	if !strings.HasPrefix(st.ID, s.staging()) {
		return fmt.Errorf("gcs: %q is not a staged file", st.ID)
	}
	return s.remove(ctx, st.ID)
}

func (s *Store) remove(ctx context.Context, name string) error {
	err := s.do(ctx, 0, func(ctx context.Context) error { return s.object(name).Delete(ctx) })
	if err != nil && !notFound(err) {
		return s.fail("delete", name, err)
	}
	return nil
}
