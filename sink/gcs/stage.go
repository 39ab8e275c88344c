package gcs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"net/http"
	"path"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"github.com/onceflow/onceflow/sink/driver"
)

// Object metadata: the token that identifies a file, which a move keeps, and the file's final key. The staging name
// contains the token, so that two uploads for one key do not meet. It does not contain the key, which may be as long as a
// name may be.
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

// upload gathers a file up to a chunk, since most files are shorter, and sends it in one request that can be repeated. A
// longer file goes over a resumable session.
type upload struct {
	s      *Store
	ctx    context.Context // of Stage: Write has none
	cancel context.CancelFunc
	buf    []byte          // while w is nil
	w      *storage.Writer // of the session
	ref    ref
	failed error
}

// Stage begins a file under its staging name.
func (s *Store) Stage(ctx context.Context, key, owner string, _ int64) (driver.Upload, error) {
	if err := errors.Join(driver.CheckKey(key), driver.CheckOwner(owner), ctx.Err()); err != nil {
		return nil, fmt.Errorf("gcs: stage: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	u := &upload{s: s, ctx: ctx, cancel: cancel, ref: ref{Key: key, Token: rand.Text()}}
	u.ref.Staging = s.staging() + owner + "-" + u.ref.Token
	return u, nil
}

func (u *upload) Write(p []byte) (int, error) {
	if u.failed != nil {
		return 0, u.failed
	}
	u.ref.Size += int64(len(p))
	u.ref.CRC32C = crc32.Update(u.ref.CRC32C, castagnoli, p)
	if u.w == nil && len(u.buf)+len(p) <= u.s.opts.ChunkBytes {
		u.buf = append(u.buf, p...)
		return len(p), nil
	}
	defer u.watch(len(p))()
	err := u.begin()
	if err == nil {
		_, err = u.w.Write(p)
	}
	if err != nil {
		u.failed = u.s.fail("stage", u.ref.Key, err)
		return 0, u.failed
	}
	return len(p), nil
}

// begin opens a session and sends what was gathered. If the answer to a chunk is lost the client repeats the chunk, since
// the session knows what it has. Without a retry policy for all errors it would give up at the first 503.
func (u *upload) begin() error {
	if u.w != nil {
		return nil
	}
	u.w = u.writer(u.ctx, u.s.bucket.Object(u.ref.Staging).Retryer(storage.WithPolicy(storage.RetryAlways)))
	u.w.ChunkSize = u.s.opts.ChunkBytes
	u.w.ChunkTransferTimeout = u.s.retry.Patience(u.s.opts.ChunkBytes)
	u.w.ChunkRetryDeadline = time.Duration(u.s.opts.Attempts) * u.w.ChunkTransferTimeout
	_, err := u.w.Write(u.buf)
	u.buf = nil
	return err
}

// watch ends the session if sending so many bytes takes too long. The client bounds its chunks, but waits for ever for the
// answer that begins a session. The caller calls stop when it is done.
func (u *upload) watch(bytes int) (stop func()) {
	limit := u.s.retry.Patience(len(u.buf) + bytes + 2*u.s.opts.ChunkBytes)
	t := time.AfterFunc(time.Duration(u.s.opts.Attempts)*limit, u.cancel)
	return func() { t.Stop() }
}

func (u *upload) writer(ctx context.Context, object *storage.ObjectHandle) *storage.Writer {
	w := object.If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	w.Metadata = map[string]string{tokenKey: u.ref.Token, finalKey: u.ref.Key}
	return w
}

// Gathered counts what is kept until the next request. With a session that is the client's chunk.
func (u *upload) Gathered() int64 {
	if u.w == nil {
		return int64(cap(u.buf))
	}
	return int64(u.s.opts.ChunkBytes)
}

// Close ends the upload. If the answer is lost it looks at the object to see whether it is whole.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if err := errors.Join(u.failed, ctx.Err()); err != nil {
		u.failed = err
		return nil, err
	}
	end := u.endSession
	if u.w == nil {
		end = u.send
	}
	attrs, err := end(ctx)
	u.cancel()
	u.buf = nil
	if err != nil {
		u.failed = u.s.fail("stage", u.ref.Key, err)
		return nil, u.failed
	}
	if attrs.Size != u.ref.Size || attrs.CRC32C != u.ref.CRC32C || attrs.Metadata[tokenKey] != u.ref.Token {
		u.failed = fmt.Errorf("gcs: what was staged for %q is not what was sent", u.ref.Key)
		return nil, u.failed
	}
	u.s.clock.Hear(attrs.Created)
	u.failed = errors.New("gcs: the upload has ended")
	u.ref.Generation = attrs.Generation
	return json.Marshal(u.ref)
}

// send sends a short file. If the file exists already, the answer to an earlier attempt was late or lost.
func (u *upload) send(ctx context.Context) (attrs *storage.ObjectAttrs, err error) {
	err = u.s.retry.ForUploads().Do(ctx, len(u.buf), func(ctx context.Context) error {
		w := u.writer(ctx, u.s.object(u.ref.Staging))
		w.ChunkSize = 0
		w.CRC32C, w.SendCRC32C = u.ref.CRC32C, true
		_, err := w.Write(u.buf)
		if err = errors.Join(err, w.Close()); err == nil {
			attrs = w.Attrs()
			return nil
		}
		if httpStatus(err) == http.StatusPreconditionFailed {
			attrs, err = u.s.object(u.ref.Staging).Attrs(ctx)
		}
		return err
	})
	return attrs, err
}

func (u *upload) endSession(ctx context.Context) (*storage.ObjectAttrs, error) {
	defer context.AfterFunc(ctx, u.cancel)()
	defer u.watch(0)()
	err := u.w.Close()
	if err == nil {
		return u.w.Attrs(), nil
	}
	var attrs *storage.ObjectAttrs
	lookErr := u.s.retry.ForUploads().Do(ctx, 0, func(ctx context.Context) (err error) {
		attrs, err = u.s.object(u.ref.Staging).Attrs(ctx)
		return err
	})
	if lookErr != nil {
		return nil, errors.Join(err, lookErr)
	}
	return attrs, nil
}

// Abort cancels the upload before it ends it, else the client would store the part that was sent.
func (u *upload) Abort(ctx context.Context) error {
	u.cancel()
	u.buf = nil
	if u.w != nil {
		_ = u.w.Close() // its error is the cancellation
	}
	u.failed = errors.New("gcs: the upload was aborted")
	return u.s.remove(ctx, u.ref.Staging)
}

// Publish moves a staged file to its final name. Unless the answer is a plain yes it looks at the object there.
func (s *Store) Publish(ctx context.Context, encoded []byte) error {
	var r ref
	if err := json.Unmarshal(encoded, &r); err != nil || r.Key == "" || !strings.HasPrefix(r.Staging, s.staging()) {
		return fmt.Errorf("gcs: not a reference to a staged file: %w", err)
	}
	from := s.object(r.Staging).If(storage.Conditions{GenerationMatch: r.Generation})
	err := s.retry.Do(ctx, 0, func(ctx context.Context) error {
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
		return fmt.Errorf("%w: another object has the key", driver.ErrStagingLost)
	})
	if notFound(err) {
		return &answer{
			at: fmt.Sprintf("gcs: cannot publish %q in bucket %s", r.Key, s.name), err: err, sentinel: driver.ErrStagingLost,
			hint: "and there is no object of this job under that key. A lifecycle rule or a person may have deleted the staged file or " +
				"the object, or the service may have lost it",
		}
	}
	if err != nil {
		return s.fail("publish", r.Key, err)
	}
	return nil
}

// Staged yields the files whose upload has ended.
func (s *Store) Staged(ctx context.Context) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		for attrs, err := range s.list(ctx, s.staging(), "") {
			if err != nil {
				yield(driver.Staging{}, s.fail("list", s.staging(), err))
				return
			}
			owner, _, ok := strings.Cut(path.Base(attrs.Name), "-")
			if !ok || driver.CheckOwner(owner) != nil || driver.CheckKey(attrs.Metadata[finalKey]) != nil {
				continue // the clock, or another program's
			}
			if !yield(driver.Staging{Key: attrs.Metadata[finalKey], Owner: owner, ID: attrs.Name, Bytes: attrs.Size}, nil) {
				return
			}
		}
	}
}

// Discard deletes a staged file. Published files have other names.
func (s *Store) Discard(ctx context.Context, st driver.Staging) error {
	if !strings.HasPrefix(st.ID, s.staging()) {
		return fmt.Errorf("gcs: %q is not a staged file", st.ID)
	}
	return s.remove(ctx, st.ID)
}

func (s *Store) remove(ctx context.Context, name string) error {
	err := s.retry.Do(ctx, 0, func(ctx context.Context) error { return s.object(name).Delete(ctx) })
	if err != nil && !notFound(err) {
		return s.fail("delete", name, err)
	}
	return nil
}
