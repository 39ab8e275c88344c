package azure

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/onceflow/onceflow/internal/gather"
	"github.com/onceflow/onceflow/sink/driver"
)

// Metadata of a staged file: the token that identifies it, which its copy has too, and its final key. The staging name contains
// the token, so that two uploads for one key do not meet. It does not contain the key, which may be as long as a name may be.
const (
	tokenKey = "onceflow_token"
	finalKey = "onceflow_key"
)

// ref is what Publish needs. Staging has no prefix, so that it cannot name anything else.
type ref struct {
	Key     string      `json:"key"`
	Staging string      `json:"staging"`
	Token   string      `json:"token"`
	ETag    azcore.ETag `json:"etag"`
	Size    int64       `json:"size"`
}

// upload gathers a file up to a block, since most files are shorter, and sends it in one request. Of a longer file a full block
// is sent by a goroutine while the next one is gathered. There is never more than one on its way; Close and Abort wait for it.
type upload struct {
	box   *box
	spare *gather.Spare
	ctx   context.Context // of Stage: io.Writer has no place for one
	ref   ref
	block gather.Bytes
	ids   []string     // of the blocks that were sent
	sent  chan error   // of the block on its way; nil if there is none
	away  atomic.Int64 // bytes of memory of the block on its way
	began bool         // something was sent
	err   error
}

// Stage begins a file under a staging name. It sends nothing before a block is full. A file may have any length, so it does not
// matter at which size the caller means to end it.
func (s *Store) Stage(ctx context.Context, key, owner string, _ int64) (driver.Upload, error) {
	if err := errors.Join(driver.CheckKey(key), driver.CheckOwner(owner), ctx.Err()); err != nil {
		return nil, fmt.Errorf("azure: stage: %w", err)
	}
	token := rand.Text()
	return &upload{box: s.box, spare: &s.spare, ctx: ctx, ref: ref{Key: key, Token: token, Staging: owner + "-" + token}}, nil
}

// Gathered counts both blocks, the one that is filled and the one on its way.
func (u *upload) Gathered() int64 { return u.block.Memory() + u.away.Load() }

func (u *upload) staged() *blockblob.Client {
	return u.box.blob(toName(u.box.staging() + u.ref.Staging))
}

func (u *upload) metadata() map[string]*string {
	key := url.PathEscape(u.ref.Key) // headers are ASCII
	return map[string]*string{tokenKey: &u.ref.Token, finalKey: &key}
}

func (u *upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	n := len(p)
	for len(p) > 0 {
		if u.block.Len() == u.box.opts.BlockBytes {
			if err := u.flush(u.ctx); err != nil {
				return 0, err
			}
		}
		take := min(u.box.opts.BlockBytes-u.block.Len(), len(p))
		u.block.Add(p[:take], u.spare)
		p = p[take:]
	}
	u.ref.Size += int64(n)
	return n, nil
}

// flush sends what is gathered as the next block, after the one before it has arrived.
func (u *upload) flush(ctx context.Context) error {
	if err := u.wait(); err != nil {
		return err
	}
	b, id := u.block, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%08d", len(u.ids)))
	u.ids, u.block, u.began = append(u.ids, id), gather.Bytes{}, true
	u.away.Store(b.Memory())
	u.sent = make(chan error, 1)
	go func() {
		err := u.send(ctx, &b, func(ctx context.Context, check blob.TransferValidationType) error {
			_, err := u.staged().StageBlock(ctx, id, streaming.NopCloser(b.Reader()), &blockblob.StageBlockOptions{TransactionalValidation: check})
			return err
		})
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

// send sends b by put and gives its memory back. An attempt that failed may still be reading it, though, when the next one
// succeeds.
func (u *upload) send(ctx context.Context, b *gather.Bytes, put func(context.Context, blob.TransferValidationType) error) error {
	check, attempts := blob.TransferValidationTypeMD5(b.Sum(md5.New())), 0
	err := u.box.retry.ForUploads().Do(ctx, b.Len(), func(ctx context.Context) error {
		attempts++
		return put(ctx, check)
	})
	if err != nil {
		return u.box.fail("stage", u.ref.Key, err)
	}
	if attempts == 1 {
		b.Release(u.spare)
	}
	return nil
}

// Close sends the rest. A short file is one request, a long one a block and the list of all.
func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if err := u.wait(); err != nil {
		return nil, err
	}
	if len(u.ids) == 0 {
		u.began = true
		u.err = u.send(ctx, &u.block, func(ctx context.Context, check blob.TransferValidationType) error {
			out, err := u.staged().Upload(ctx, streaming.NopCloser(u.block.Reader()), &blockblob.UploadOptions{
				AccessConditions: absent(), Metadata: u.metadata(), TransactionalValidation: check,
			})
			return u.settle(ctx, out.ETag, err)
		})
		u.block = gather.Bytes{}
	} else {
		if err := u.flush(ctx); err != nil {
			return nil, err
		}
		if err := u.wait(); err != nil {
			return nil, err
		}
		u.err = u.list(ctx)
	}
	if u.err != nil {
		return nil, u.err
	}
	u.err = errors.New("azure: the upload has ended")
	return json.Marshal(u.ref)
}

// list makes a blob of the blocks.
func (u *upload) list(ctx context.Context) error {
	err := u.box.retry.ForUploads().Do(ctx, 0, func(ctx context.Context) error {
		out, err := u.staged().CommitBlockList(ctx, u.ids, &blockblob.CommitBlockListOptions{AccessConditions: absent(), Metadata: u.metadata()})
		return u.settle(ctx, out.ETag, err)
	})
	if err != nil {
		return u.box.fail("stage", u.ref.Key, err)
	}
	return nil
}

// settle notes the version of the staged blob. If the blob is there already, the answer to an earlier attempt was lost: nobody
// else knows its name.
func (u *upload) settle(ctx context.Context, etag *azcore.ETag, err error) error {
	if exists(err) {
		var f found
		if f, err = u.box.look(ctx, u.staged()); err == nil && !f.is(&u.ref) {
			return fmt.Errorf("what was staged for %q is not what was sent", u.ref.Key)
		}
		etag = &f.etag
	}
	if err == nil && etag != nil {
		u.ref.ETag = *etag
	}
	return err
}

// Abort deletes the staged file. Blocks without a list cannot be deleted, but an empty blob takes their place, and that can.
func (u *upload) Abort(ctx context.Context) error {
	_ = u.wait() // its blocks go with the upload
	u.err = errors.New("azure: the upload was aborted")
	u.block.Release(u.spare)
	if !u.began {
		return nil
	}
	if len(u.ids) > 0 {
		err := u.box.retry.Do(ctx, 0, func(ctx context.Context) error {
			_, err := u.staged().Upload(ctx, streaming.NopCloser(strings.NewReader("")), nil)
			return err
		})
		if err != nil {
			return u.box.fail("abort", u.ref.Key, err)
		}
	}
	return u.box.remove(ctx, u.ref.Staging)
}
