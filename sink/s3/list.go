package s3

import (
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/sink/driver"
)

// list yields all objects whose names begin with prefix and sort after after, those of other programs too, a request for
// each 1,000. Names come encoded, since XML has no form for some characters that a name may have; a listing with one of
// these in it could not be read.
func list(ctx context.Context, b *bucket, prefix, after string) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.key(prefix), EncodingType: types.EncodingTypeUrl, MaxKeys: b.page}
		if after != "" {
			in.StartAfter = b.key(after)
		}
		for {
			var out *s3.ListObjectsV2Output
			err := b.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
				out, err = b.client.ListObjectsV2(ctx, in)
				return err
			})
			if err != nil {
				yield(driver.Object{}, b.fail("list", prefix, err))
				return
			}
			for _, o := range out.Contents {
				name := strings.TrimPrefix(decoded(o.Key, out.EncodingType), b.opts.Prefix)
				if !yield(driver.Object{Key: name, Size: aws.ToInt64(o.Size)}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			in.ContinuationToken = out.NextContinuationToken
		}
	}
}

// incomplete is a multipart upload.
type incomplete struct{ name, id string }

// listUploads yields all incomplete uploads, those of other programs too, a request for each 1,000.
func listUploads(ctx context.Context, b *bucket, prefix string) iter.Seq2[incomplete, error] {
	return func(yield func(incomplete, error) bool) {
		asked := s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: b.key(prefix), EncodingType: types.EncodingTypeUrl, MaxUploads: b.page}
		in, last, byName := asked, &s3.ListMultipartUploadsOutput{}, false
		for {
			var out *s3.ListMultipartUploadsOutput
			err := b.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
				out, err = b.client.ListMultipartUploads(ctx, &in)
				return err
			})
			if in.UploadIdMarker != nil && errorCode(err) == "InvalidArgument" {
				byName = true // versitygw does not know the marker that it gave itself
				in = afterUploads(asked, last, byName)
				continue
			}
			if err != nil {
				yield(incomplete{}, b.fail("list the uploads", "", err))
				return
			}
			known := map[string]bool{}
			for _, u := range last.Uploads {
				known[aws.ToString(u.UploadId)] = true
			}
			for _, u := range out.Uploads {
				name := strings.TrimPrefix(decoded(u.Key, out.EncodingType), b.opts.Prefix)
				if id := aws.ToString(u.UploadId); !known[id] && !yield(incomplete{name, id}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			asked, last = in, out
			in = afterUploads(asked, last, byName)
		}
	}
}

// afterUploads is the request for the page after one that was asked for. Where a page can begin with a name alone, the last
// name of a page is read again with the next one, since the page may have ended amid its uploads; if it is the only one,
// with a longer page. Of more than 1,000 uploads of one name the others are seen once these are gone.
func afterUploads(asked s3.ListMultipartUploadsInput, page *s3.ListMultipartUploadsOutput, byName bool) s3.ListMultipartUploadsInput {
	last := decoded(page.NextKeyMarker, page.EncodingType)
	if !byName {
		asked.KeyMarker, asked.UploadIdMarker = &last, page.NextUploadIdMarker
		return asked
	}
	asked.UploadIdMarker = nil
	for _, u := range slices.Backward(page.Uploads) {
		if name := decoded(u.Key, page.EncodingType); name != last {
			asked.KeyMarker = &name
			return asked
		}
	}
	if most := aws.ToInt32(asked.MaxUploads); most > 0 && most < 1000 {
		asked.MaxUploads = aws.Int32(min(2*most, 1000))
		return asked
	}
	asked.KeyMarker = &last
	return asked
}

// decoded is a name as it is. What cannot be decoded is none of ours.
func decoded(name *string, encoding types.EncodingType) string {
	raw := aws.ToString(name)
	if encoding == types.EncodingTypeUrl {
		if plain, err := url.QueryUnescape(raw); err == nil {
			return plain
		}
	}
	return raw
}
