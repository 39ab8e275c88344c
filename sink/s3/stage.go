package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/gather"
	"github.com/onceflow/onceflow/sink/driver"
)

// tokenKey is the object metadata by which a file is known again.
const tokenKey = "onceflow-token"

// ref is what Publish needs: an object in staging to copy, or an upload to complete, with its parts as the store answered
// when they were sent.
type ref struct {
	Key    string `json:"key"`
	Token  string `json:"token"`
	Size   int64  `json:"size"`
	Staged string `json:"staged,omitempty"` // name of the object
	Upload string `json:"upload,omitempty"`
	Parts  []part `json:"parts,omitempty"`
}

// part is a part that was sent. As text it is its ETag, a space and its checksum.
type part struct{ ETag, CRC string }

func (p part) MarshalText() ([]byte, error) { return []byte(p.ETag + " " + p.CRC), nil }

func (p *part) UnmarshalText(b []byte) error {
	i := bytes.LastIndexByte(b, ' ')
	if i < 0 {
		return fmt.Errorf("part %q without a checksum", b)
	}
	p.ETag, p.CRC = string(b[:i]), string(b[i+1:])
	return nil
}

// partsOfFile is in how many parts a file goes that ends where Stage was told. A ref has room for some more: for 140 with
// ETags of 32 bytes, for 85 with ETags of 64.
const partsOfFile = 80

// partLength is the length of all parts of a file but the last. It is fixed before the first part: some stores, such as R2,
// refuse to complete an upload whose parts differ. Two parts are in memory, hence the upper bound.
func partLength(least int, most int64) int {
	const unit, bound = 1 << 20, 1 << 30
	return int(min(max(int64(least), (most/partsOfFile+unit)&^(unit-1)), bound))
}

// upload is one staged file. A full part is sent by a goroutine while the next one is gathered; there is never more than
// one on its way, and Close and Abort wait for it.
type upload struct {
	b      *bucket
	spare  *gather.Spare
	ctx    context.Context // of Stage: io.Writer has no place for one
	length int             // of all parts but the last
	name   string          // where it is written: its key, or a name in staging
	id     string          // of the multipart upload; empty before its first part
	parts  []part
	ref    ref
	object bool // one may be under name
	part   gather.Bytes
	sent   chan error   // of the part on its way; nil if there is none
	away   atomic.Int64 // bytes of memory of the part on its way
	err    error
}

// Stage begins a file. It sends nothing before there is a part to send.
func (s *Store) Stage(ctx context.Context, key, owner string, most int64) (driver.Upload, error) {
	if err := errors.Join(driver.CheckKey(key), driver.CheckOwner(owner), ctx.Err()); err != nil {
		return nil, fmt.Errorf("s3: stage: %w", err)
	}
	u := &upload{
		b: s.bucket, spare: &s.spare, ctx: ctx, length: partLength(s.bucket.opts.PartBytes, most),
		name: key, ref: ref{Key: key, Token: rand.Text()},
	}
	if s.bucket.copies {
		u.ref.Staged = stagingName(s.bucket.opts.Prefix, owner, u.ref.Token, key)
		u.name = u.ref.Staged
	}
	return u, nil
}

// Gathered counts both parts, the one that is filled and the one on its way.
func (u *upload) Gathered() int64 { return u.part.Memory() + u.away.Load() }

func (u *upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	n := len(p)
	for len(p) > 0 {
		take := min(u.length-u.part.Len(), len(p))
		u.part.Add(p[:take], u.spare)
		p = p[take:]
		if u.part.Len() < u.length {
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
	if u.ref.Staged != "" && u.ref.Size+int64(u.part.Len()) > mostCopied {
		u.err = tooLong(u.ref.Key)
		return u.err
	}
	if u.id == "" {
		if u.id, u.err = u.b.begin(ctx, u.name, &u.ref); u.err != nil {
			return u.err
		}
	}
	b, number := u.part, int32(len(u.parts)+1)
	u.ref.Size += int64(b.Len())
	u.parts = append(u.parts, part{CRC: checksum(&b)})
	u.part = gather.Bytes{}
	u.away.Store(b.Memory())
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

// send gives the memory of b back. An attempt that failed may still be reading it, though, when the next one succeeds.
func (u *upload) send(ctx context.Context, number int32, b gather.Bytes) error {
	p, attempts := &u.parts[number-1], 0
	err := u.b.retry.ForUploads().Do(ctx, b.Len(), func(ctx context.Context) error {
		attempts++
		out, err := u.b.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &u.b.name, Key: u.b.key(u.name), UploadId: &u.id, PartNumber: &number,
			Body: b.Reader(), ChecksumCRC32C: &p.CRC,
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
		b.Release(u.spare)
	}
	return nil
}

// Close sends the last part, which may be short or empty. A file without a full part that is to be an object in staging is
// put there in one request.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if u.err != nil {
		return nil, u.err
	}
	if u.ref.Staged != "" && u.id == "" {
		u.object = true
		u.ref.Size = int64(u.part.Len())
		if u.err = u.b.put(ctx, &u.ref, &u.part, u.spare); u.err != nil {
			return nil, u.err
		}
		return u.encode()
	}
	if u.part.Len() > 0 || len(u.parts) == 0 {
		if err := u.flush(ctx); err != nil {
			return nil, err
		}
	}
	if err := u.wait(); err != nil {
		return nil, err
	}
	if u.ref.Staged == "" {
		u.ref.Upload, u.ref.Parts = u.id, u.parts
		return u.encode()
	}
	u.object = true
	if u.err = u.b.complete(ctx, u.b.retry.ForUploads(), u.name, u.id, u.parts, &u.ref); u.err != nil {
		u.err = u.b.fail("stage", u.ref.Key, u.err)
		return nil, u.err
	}
	return u.encode()
}

func (u *upload) encode() ([]byte, error) {
	u.err = errors.New("s3: the upload has ended")
	b, err := json.Marshal(u.ref)
	if err == nil && len(b) > 8<<10 {
		err = fmt.Errorf("s3: file %q has %d parts of %d bytes, too many to name in 8 KiB: make PartBytes larger, or tell Stage how long "+
			"the file gets", u.ref.Key, len(u.parts), u.length)
	}
	return b, err
}

// Abort deletes the upload and the object in staging, also if the file was closed.
func (u *upload) Abort(ctx context.Context) error {
	_ = u.wait() // its parts go with the upload
	u.err = errors.New("s3: the upload was aborted")
	u.part.Release(u.spare)
	var failed error
	if u.id != "" {
		failed = u.b.abort(ctx, u.name, u.id)
	}
	if u.object {
		failed = errors.Join(failed, u.b.remove(ctx, u.name))
	}
	return failed
}
