package s3

import (
	"context"
	"iter"
	"net/url"
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
		in := &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: b.key(prefix), EncodingType: types.EncodingTypeUrl, MaxUploads: b.page}
		for {
			var out *s3.ListMultipartUploadsOutput
			err := b.retry.Do(ctx, 0, func(ctx context.Context) (err error) {
				out, err = b.client.ListMultipartUploads(ctx, in)
				return err
			})
			if in.UploadIdMarker != nil && errorCode(err) == "InvalidArgument" {
				// versitygw does not know its own marker. Without it the page begins with the next name: of two uploads of
				// one name the second may be left out, until the first is gone.
				in.UploadIdMarker = nil
				continue
			}
			if err != nil {
				yield(incomplete{}, b.fail("list the uploads", "", err))
				return
			}
			for _, u := range out.Uploads {
				name := strings.TrimPrefix(decoded(u.Key, out.EncodingType), b.opts.Prefix)
				if !yield(incomplete{name, aws.ToString(u.UploadId)}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			in.KeyMarker, in.UploadIdMarker = aws.String(decoded(out.NextKeyMarker, out.EncodingType)), out.NextUploadIdMarker
		}
	}
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
