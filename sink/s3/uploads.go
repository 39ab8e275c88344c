package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/sink/driver"
)

// canList finds out whether the store lists incomplete uploads by a prefix. MinIO lists those of one key only, so that
// abandoned staging cannot be found there; it drops it by itself a day after it was begun.
func (b *bucket) canList(ctx context.Context) (bool, error) {
	u := &upload{b: b, spare: new(spare), ctx: ctx, ref: ref{Key: "_onceflow/probe-" + rand.Text(), Token: "probe"}}
	if err := u.begin(ctx); err != nil {
		return false, err
	}
	found := false
	for st, err := range b.uploads(ctx, "_onceflow/") {
		if err != nil {
			return false, errors.Join(err, u.Abort(ctx))
		}
		found = found || st.ID == u.ref.Upload
	}
	if !found {
		b.opts.Logger.Warn("the store does not list multipart uploads: what crashed processes staged stays until the "+
			"store drops it by itself, which must not be before a stopped job publishes what it committed",
			"bucket", b.name, "needed", b.opts.Recovery)
	}
	return found, u.Abort(ctx)
}

// uploads lists the incomplete uploads of ours, a request for each 1,000.
func (b *bucket) uploads(ctx context.Context, prefix string) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		in := &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: b.key(prefix), MaxUploads: b.page}
		for {
			var out *s3.ListMultipartUploadsOutput
			err := b.retry.do(ctx, 0, func(ctx context.Context) (err error) {
				out, err = b.client.ListMultipartUploads(ctx, in)
				return err
			})
			if err != nil {
				yield(driver.Staging{}, b.fail("list the uploads", "", err))
				return
			}
			for _, u := range out.Uploads {
				key := strings.TrimPrefix(aws.ToString(u.Key), b.opts.Prefix)
				owner, _, ok := strings.Cut(path.Base(key), "-")
				if !ok {
					continue // not one of ours
				}
				if !yield(driver.Staging{Key: key, Owner: owner, ID: aws.ToString(u.UploadId)}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		}
	}
}

// abort deletes an upload. None there is success.
func (b *bucket) abort(ctx context.Context, key, id string) error {
	err := b.retry.do(ctx, 0, func(ctx context.Context) error {
		_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: b.key(key), UploadId: &id})
		return err
	})
	if err != nil && !notFound(err) {
		return b.fail("abort", key, err)
	}
	return nil
}
