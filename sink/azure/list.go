package azure

import (
	"context"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// size is the length of a blob.
func size(item *container.BlobItem) int64 {
	if item.Properties == nil || item.Properties.ContentLength == nil {
		return 0
	}
	return *item.Properties.ContentLength
}

// items yields the blobs whose names begin with prefix and are not before from, a request for each 5,000. The first one asks for
// fewer, since many callers look at the beginning only.
func (b *box) items(ctx context.Context, prefix, from string, include container.ListBlobsInclude) iter.Seq2[*container.BlobItem, error] {
	return func(yield func(*container.BlobItem, error) bool) {
		in := &container.ListBlobsFlatOptions{Prefix: &prefix, Include: include, MaxResults: to.Ptr[int32](1000)}
		if from != "" {
			in.StartFrom = &from
		}
		for {
			var page container.ListBlobsFlatResponse
			err := b.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
				page, err = b.access.client.NewListBlobsFlatPager(in).NextPage(ctx)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range page.Segment.BlobItems {
				if !yield(item, nil) {
					return
				}
			}
			if page.NextMarker == nil || *page.NextMarker == "" {
				return
			}
			in.Marker, in.MaxResults = page.NextMarker, to.Ptr[int32](5000)
		}
	}
}
