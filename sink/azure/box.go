package azure

import (
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/steady"
	"github.com/onceflow/onceflow/sink/driver"
)

// box is a container and how it is asked. It is safe for concurrent use.
type box struct {
	access access
	name   string // of the container
	opts   Options
	retry  retry.Requests
	clock  steady.Told

	mostCopied, piece int64 // the constants, but for tests
}

// blob is the client of the blob with that name.
func (b *box) blob(name string) *blockblob.Client { return b.access.client.NewBlockBlobClient(name) }

// blobName is that of the blob for a key.
func (b *box) blobName(key string) string { return toName(b.opts.Prefix + key) }

// staging is where files wait; List leaves it out.
func (b *box) staging() string { return b.opts.Prefix + "_staging/" }

// askTime looks for a blob that is not there. The answer tells the time, and whether the container is there.
func (b *box) askTime(ctx context.Context) error {
	err := b.retry.Do(ctx, 0, func(ctx context.Context) error {
		_, err := b.blob(toName(b.staging()+"clock")).GetProperties(ctx, nil)
		return err
	})
	if err != nil && !notFound(err) {
		return b.fail("look at", "", err)
	}
	if _, fresh := b.clock.Fresh(); !fresh {
		return fmt.Errorf("azure: container %s: the service's answers have no Date header, so its clock is unknown", b.name)
	}
	return nil
}

// checkKind refuses an account with a hierarchical namespace. Who may not ask is warned; List notices the wrong order, too.
func (b *box) checkKind(ctx context.Context) error {
	var folders bool
	err := b.retry.Do(ctx, 0, func(ctx context.Context) error {
		info, err := b.access.client.GetAccountInfo(ctx, nil)
		folders = info.IsHierarchicalNamespaceEnabled != nil && *info.IsHierarchicalNamespaceEnabled
		return err
	})
	switch {
	case ctx.Err() != nil:
		return b.fail("ask for the kind of the account of", "", err)
	case err != nil:
		b.opts.Logger.Warn("cannot ask for the kind of the account: make sure that it has no hierarchical namespace",
			"container", b.name, "err", b.said(err))
	case folders:
		return fmt.Errorf("azure: the account of container %s has a hierarchical namespace, whose listings have another order than "+
			"the ledger needs: use an account without one: %w", b.name, driver.ErrPermanent)
	}
	return nil
}

// found is what tells whose a blob is.
type found struct {
	token string
	size  int64
	etag  azcore.ETag
}

func (f found) is(r *ref) bool { return f.token == r.Token && f.size == r.Size }

// look asks for a blob's token and size.
func (b *box) look(ctx context.Context, at *blockblob.Client) (f found, err error) {
	out, err := at.GetProperties(ctx, nil)
	if err != nil {
		return f, err
	}
	f.token, _ = metadata(out.Metadata, tokenKey)
	if out.ContentLength != nil {
		f.size = *out.ContentLength
	}
	if out.ETag != nil {
		f.etag = *out.ETag
	}
	return f, nil
}

// metadata looks a name up. Where it comes as a header its case is not kept.
func metadata(m map[string]*string, name string) (value string, ok bool) {
	for k, v := range m {
		if strings.EqualFold(k, name) && v != nil {
			return *v, true
		}
	}
	return "", false
}

// remove deletes a staged file.
func (b *box) remove(ctx context.Context, staging string) error {
	return b.delete(ctx, "delete the staged file", staging, toName(b.staging()+staging))
}

// delete deletes a blob with what a person may have made of it.
func (b *box) delete(ctx context.Context, doing, key, name string) error {
	err := b.retry.Do(ctx, 0, func(ctx context.Context) error {
		_, err := b.blob(name).Delete(ctx, &blob.DeleteOptions{DeleteSnapshots: to.Ptr(blob.DeleteSnapshotsOptionTypeInclude)})
		return err
	})
	if err != nil && !notFound(err) {
		return b.fail(doing, key, err)
	}
	return nil
}
