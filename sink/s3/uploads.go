package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
)

// canList finds out whether the store lists incomplete uploads by a prefix. MinIO lists those of one key only, so that
// abandoned staging cannot be found there; it drops it by itself a day after it was begun.
func (b *bucket) canList(ctx context.Context) (bool, error) {
	key := "_onceflow/probe-" + rand.Text()
	id, err := b.begin(ctx, key, &ref{Key: key, Token: "probe"})
	if err != nil {
		return false, err
	}
	found := false
	for u, err := range listUploads(ctx, b, "_onceflow/") {
		if err != nil {
			return false, errors.Join(err, b.abort(ctx, key, id))
		}
		found = found || u.id == id
	}
	return found, b.abort(ctx, key, id)
}

// begin creates a multipart upload of an object that r describes, under its key or in staging.
func (b *bucket) begin(ctx context.Context, name string, r *ref) (id string, err error) {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &b.name, Key: b.key(name), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, Metadata: r.metadata(),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.encryption()
	err = b.retry.ForUploads().Do(ctx, 0, func(ctx context.Context) error {
		out, err := b.client.CreateMultipartUpload(ctx, in)
		if err == nil {
			id = aws.ToString(out.UploadId)
			b.learn(out.ResultMetadata)
		}
		return err
	})
	if err != nil {
		return "", b.fail("begin", r.Key, err)
	}
	return id, nil
}

// complete makes an object of an upload. A repeat of a completed upload is answered with "no such upload" by some stores. And
// versitygw says yes while another completion of the upload is under way, or was when it was killed; so a yes is not believed
// before the object is seen.
func (b *bucket) complete(ctx context.Context, requests retry.Requests, name, id string, parts []part, r *ref) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: b.key(name), UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{},
	}
	for i, p := range parts {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{
			PartNumber: aws.Int32(int32(i + 1)), ETag: aws.String(p.ETag), ChecksumCRC32C: aws.String(p.CRC),
		})
	}
	err := requests.Do(ctx, 0, func(ctx context.Context) error {
		out, err := b.client.CompleteMultipartUpload(ctx, in)
		if err == nil && aws.ToString(out.ETag) != "" {
			err = unseen{}
		}
		return b.settle(ctx, name, r, err)
	})
	if !errors.Is(err, unseen{}) {
		return err
	}
	requests.Attempts += 3
	return requests.Do(ctx, 0, func(ctx context.Context) error { return b.settle(ctx, name, r, unseen{}) })
}

// unseen is what a store says to have, and has not.
type unseen struct{}

func (unseen) Error() string   { return "the store says that it has made the object, and has none" }
func (unseen) Timeout() bool   { return true }
func (unseen) Temporary() bool { return true }

// settle says whether a request that was to make an object has done so. Whatever the answer was but a plain yes, the object
// itself tells: an answer may be lost, or empty.
func (b *bucket) settle(ctx context.Context, name string, r *ref, err error) error {
	ours, headErr := b.isOurs(ctx, name, r)
	switch {
	case headErr != nil:
		return headErr // unknown: asked again, if that may pass
	case ours:
		return nil
	case err == nil, exists(err): // no condition was set, so none has failed
		return &emptyAnswer{}
	}
	return err
}

// emptyAnswer is the answer to a request that says nothing of use, while the object is not there yet.
type emptyAnswer struct{}

func (*emptyAnswer) Error() string   { return "the store answered without saying what it stored" }
func (*emptyAnswer) Timeout() bool   { return true }
func (*emptyAnswer) Temporary() bool { return true }

// isOurs looks at an object. One of another owner, or of another size, is not the file of r.
func (b *bucket) isOurs(ctx context.Context, name string, r *ref) (bool, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: b.key(name)})
	if err != nil {
		if notFound(err) {
			return false, nil
		}
		return false, err
	}
	b.learn(out.ResultMetadata)
	if out.Metadata[tokenKey] != r.Token || aws.ToInt64(out.ContentLength) != r.Size {
		return false, fmt.Errorf("%w: another object has the key", driver.ErrStagingLost)
	}
	return true, nil
}

// abort deletes an upload. None there is success.
func (b *bucket) abort(ctx context.Context, name, id string) error {
	err := b.retry.Do(ctx, 0, func(ctx context.Context) error {
		_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: b.key(name), UploadId: &id})
		return err
	})
	if err != nil && !notFound(err) {
		return b.fail("abort", name, err)
	}
	return nil
}
