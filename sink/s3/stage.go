package s3

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/sink/driver"
)

// tokenKey is the object metadata by which a published file is known again.
const tokenKey = "onceflow-token"

// ref is what Publish needs. It names parts by what the store answered when they were uploaded.
type ref struct {
	Key    string `json:"key"`
	Upload string `json:"upload"`
	Token  string `json:"token"`
	Size   int64  `json:"size"`
	Parts  []part `json:"parts"`
}

type part struct {
	ETag string `json:"e"`
	CRC  string `json:"c"`
}

// upload is one staged file. A full part is sent by a goroutine while the next one is gathered; there is never more than
// one on its way, and Close and Abort wait for it.
type upload struct {
	b     *bucket
	spare *spare
	ctx   context.Context // of Stage: io.Writer has no place for one
	ref   ref
	part  body
	sent  chan error   // of the part on its way; nil if there is none
	away  atomic.Int64 // bytes of memory of the part on its way
	err   error
}

// Stage begins a file. It sends nothing before there is a part to send.
func (s *Store) Stage(ctx context.Context, key, owner string, most int64) (driver.Upload, error) {
	if err := errors.Join(driver.CheckKey(key), driver.CheckOwner(owner), ctx.Err()); err != nil {
		return nil, fmt.Errorf("s3: stage: %w", err)
	}
	return &upload{b: s.bucket, spare: &s.spare, ctx: ctx, ref: ref{Key: key, Token: rand.Text()}}, nil
}

// Gathered counts both parts, the one that is filled and the one on its way.
func (u *upload) Gathered() int64 { return u.part.memory() + u.away.Load() }

// partBytes grows with the file, so that a ref stays small and 10,000 parts are enough for any file.
func (u *upload) partBytes() int { return u.b.opts.PartBytes << (len(u.ref.Parts) / 16) }

func (u *upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	n := len(p)
	for len(p) > 0 {
		room := u.partBytes() - u.part.n
		take := min(room, len(p))
		u.part.add(p[:take], u.spare)
		p = p[take:]
		if u.part.n < u.partBytes() {
			continue
		}
		if err := u.flush(u.ctx); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// flush sends what is gathered as the next part, after the one before it has arrived.
func (u *upload) flush(ctx context.Context) error {
	if err := u.wait(); err != nil {
		return err
	}
	if u.ref.Upload == "" {
		if err := u.begin(ctx); err != nil {
			u.err = err
			return err
		}
	}
	b, number := u.part, int32(len(u.ref.Parts)+1)
	u.ref.Size += int64(b.n)
	u.ref.Parts = append(u.ref.Parts, part{CRC: b.checksum()})
	u.part = body{}
	u.away.Store(b.memory())
	u.sent = make(chan error, 1)
	go func() {
		err := u.send(ctx, number, b)
		u.away.Store(0)
		u.sent <- err
	}()
	return nil
}

func (u *upload) wait() error {
	if u.sent != nil {
		u.err = errors.Join(u.err, <-u.sent)
		u.sent = nil
	}
	return u.err
}

func (u *upload) begin(ctx context.Context) error {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &u.b.name, Key: u.b.key(u.ref.Key), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		Metadata: map[string]string{tokenKey: u.ref.Token},
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = u.b.encryption()
	err := u.b.retry.do(ctx, 0, func(ctx context.Context) error {
		out, err := u.b.client.CreateMultipartUpload(ctx, in)
		if err == nil {
			u.ref.Upload = aws.ToString(out.UploadId)
			u.b.learn(out.ResultMetadata)
		}
		return err
	})
	if err != nil {
		return u.b.fail("begin", u.ref.Key, err)
	}
	return nil
}

// send gives the memory of b back. An attempt that failed may still be reading it, though, when the next one succeeds.
func (u *upload) send(ctx context.Context, number int32, b body) error {
	p, attempts := &u.ref.Parts[number-1], 0
	err := u.b.retry.do(ctx, b.n, func(ctx context.Context) error {
		attempts++
		out, err := u.b.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &u.b.name, Key: u.b.key(u.ref.Key), UploadId: &u.ref.Upload, PartNumber: &number,
			Body: b.reader(), ChecksumCRC32C: &p.CRC,
		})
		if err == nil {
			p.ETag = aws.ToString(out.ETag)
			if p.ETag == "" {
				return fmt.Errorf("part %d was answered without an ETag", number)
			}
		}
		return err
	})
	if err != nil {
		return u.b.fail(fmt.Sprintf("upload part %d of", number), u.ref.Key, err)
	}
	if attempts == 1 {
		b.release(u.spare)
	}
	return nil
}

// Close sends the last part, which may be short or empty.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if u.part.n > 0 || len(u.ref.Parts) == 0 {
		if err := u.flush(ctx); err != nil {
			return nil, err
		}
	}
	if err := u.wait(); err != nil {
		return nil, err
	}
	u.err = errors.New("s3: the upload has ended")
	return u.encode()
}

func (u *upload) encode() ([]byte, error) {
	b, err := json.Marshal(u.ref)
	if err == nil && len(b) > 8<<10 {
		err = fmt.Errorf("s3: file %q has %d parts, too many to name in 8 KiB: make PartBytes larger", u.ref.Key, len(u.ref.Parts))
	}
	return b, err
}

// Abort deletes the upload, also if it was closed.
func (u *upload) Abort(ctx context.Context) error {
	_ = u.wait() // its parts go with the upload
	u.err = errors.New("s3: the upload was aborted")
	u.part.release(u.spare)
	if u.ref.Upload == "" {
		return nil
	}
	return u.b.abort(ctx, u.ref.Key, u.ref.Upload)
}
