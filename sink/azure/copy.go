package azure

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/onceflow/onceflow/sink/driver"
)

// mostCopied is the longest blob that the service copies in one request. A longer one is copied in pieces.
const (
	mostCopied = 256 << 20
	pieceBlob  = 64 << 20
)

// copySpeed divides the time that a copy within the account may take, beside that of a body that is sent.
const copySpeed = 64

// copy makes the final blob, whole or not at all, if there is none.
func (b *box) copy(ctx context.Context, final *blockblob.Client, r *ref) error {
	staged := b.blob(toName(b.staging() + r.Staging))
	from, header, err := b.access.source(ctx, staged)
	if err != nil {
		return err
	}
	same := &blob.SourceModifiedAccessConditions{SourceIfMatch: &r.ETag}
	meta := map[string]*string{tokenKey: &r.Token}
	if r.Size <= b.mostCopied {
		_, err := final.CopyFromURL(ctx, from, &blob.CopyFromURLOptions{
			BlobAccessConditions: absent(), SourceModifiedAccessConditions: same, CopySourceAuthorization: header, Metadata: meta,
		})
		return err
	}
	there, err := pieces(ctx, final)
	if err != nil {
		return err
	}
	var ids []string
	for at := int64(0); at < r.Size; at += b.piece {
		n := min(b.piece, r.Size-at)
		// Blocks of two uploads for one key are kept together until one of them has its list, so each has names of its own. All
		// names have one length.
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%06d", r.Token, len(ids)))
		ids = append(ids, id)
		if there[id] == n {
			continue
		}
		_, err := final.StageBlockFromURL(ctx, id, from, &blockblob.StageBlockFromURLOptions{
			Range: blob.HTTPRange{Offset: at, Count: n}, SourceModifiedAccessConditions: same, CopySourceAuthorization: header,
		})
		if err != nil {
			return err
		}
	}
	_, err = final.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{AccessConditions: absent(), Metadata: meta})
	return err
}

// pieces are the blocks that earlier copies left, with their lengths, so that a copy that was broken off goes on.
func pieces(ctx context.Context, final *blockblob.Client) (map[string]int64, error) {
	out, err := final.GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	if err != nil && !notFound(err) {
		return nil, err
	}
	there := map[string]int64{}
	for _, b := range out.UncommittedBlocks {
		if b.Name != nil && b.Size != nil {
			there[*b.Name] = *b.Size
		}
	}
	return there, nil
}

// missing says whether the staged file, which err could not copy, is lost: there is no final one.
func (b *box) missing(ctx context.Context, r *ref, err error) error {
	f, lookErr := b.look(ctx, b.blob(toName(b.staging()+r.Staging)))
	switch {
	case notFound(lookErr), lookErr == nil && !f.is(r):
		return fmt.Errorf("%w: it is not in staging, and there is no object of this job under its key. A person or a management "+
			"policy may have deleted it, or the service may have lost it. The copy was answered: %s", driver.ErrStagingLost, b.said(err))
	case lookErr != nil:
		return lookErr
	}
	return err
}
