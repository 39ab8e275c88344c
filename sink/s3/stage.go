package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/sink"
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
	s    *Store
	ctx  context.Context // of Stage: io.Writer has no place for one
	ref  ref
	buf  []byte
	free []byte     // the buffer of the part sent last, to be used again
	sent chan error // of the part on its way; nil if there is none
	err  error
}

// Stage begins a file. It sends nothing before there is a part to send.
func (s *Store) Stage(ctx context.Context, key, owner string) (sink.Upload, error) {
	if err := errors.Join(sink.CheckKey(key), sink.CheckOwner(owner), ctx.Err()); err != nil {
		return nil, fmt.Errorf("s3: stage: %w", err)
	}
	return &upload{s: s, ctx: ctx, ref: ref{Key: key, Token: rand.Text()}}, nil
}

// Gathered counts both buffers, the one that is filled and the one on its way.
func (u *upload) Gathered() int64 { return int64(cap(u.buf)) + int64(cap(u.free)) }

// partBytes grows with the file, so that a ref stays small and 10,000 parts are enough for any file.
func (u *upload) partBytes() int { return u.s.opts.PartBytes << (len(u.ref.Parts) / 16) }

func (u *upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	n := len(p)
	for len(p) > 0 {
		room := u.partBytes() - len(u.buf)
		take := min(room, len(p))
		u.buf = append(u.buf, p[:take]...)
		p = p[take:]
		if len(u.buf) < u.partBytes() {
			continue
		}
		if err := u.flush(u.ctx); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// flush sends the buffer as the next part, after the one before it has arrived.
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
	body, number := u.buf, int32(len(u.ref.Parts)+1)
	u.ref.Size += int64(len(body))
	u.ref.Parts = append(u.ref.Parts, part{CRC: checksum(body)})
	u.buf, u.free = u.free[:0], body // body is on its way until wait returns, and free only after that
	u.sent = make(chan error, 1)
	go func() { u.sent <- u.send(ctx, number, body) }()
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
		Bucket: &u.s.bucket, Key: u.s.key(u.ref.Key), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		Metadata: map[string]string{tokenKey: u.ref.Token},
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = u.s.encryption()
	err := u.s.retry.do(ctx, 0, func(ctx context.Context) error {
		out, err := u.s.client.CreateMultipartUpload(ctx, in)
		if err == nil {
			u.ref.Upload = aws.ToString(out.UploadId)
			u.s.learn(out.ResultMetadata)
		}
		return err
	})
	if err != nil {
		return u.s.fail("begin", u.ref.Key, err)
	}
	return nil
}

func (u *upload) send(ctx context.Context, number int32, body []byte) error {
	p := &u.ref.Parts[number-1]
	err := u.s.retry.do(ctx, len(body), func(ctx context.Context) error {
		out, err := u.s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &u.s.bucket, Key: u.s.key(u.ref.Key), UploadId: &u.ref.Upload, PartNumber: &number,
			Body: bytes.NewReader(body), ChecksumCRC32C: &p.CRC,
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
		return u.s.fail(fmt.Sprintf("upload part %d of", number), u.ref.Key, err)
	}
	return nil
}

// Close sends the last part, which may be short or empty.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if len(u.buf) > 0 || len(u.ref.Parts) == 0 {
		if err := u.flush(ctx); err != nil {
			return nil, err
		}
	}
	if err := u.wait(); err != nil {
		return nil, err
	}
	u.buf, u.free = nil, nil
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
	u.buf, u.free = nil, nil
	if u.ref.Upload == "" {
		return nil
	}
	return u.s.abort(ctx, u.ref.Key, u.ref.Upload)
}
