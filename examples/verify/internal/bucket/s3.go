package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 is a Bucket of Amazon S3, or of what speaks its protocol. What is staged there is no object.
type S3 struct {
	client       *s3.Client
	name, prefix string
	Page         int32 // objects in an answer to a listing
}

// OpenS3 asks nothing yet. With an endpoint the bucket is named in the path, since not every server has names for it.
func OpenS3(ctx context.Context, endpoint, name, prefix string) (*S3, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired // we compare ours
		if endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = &endpoint, true
		}
	})
	return &S3{client: client, name: name, prefix: prefix, Page: 1000}, nil
}

// List asks for page after page.
func (b *S3) List(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix, MaxKeys: &b.Page})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, o := range page.Contents {
				if !yield(Object{strings.TrimPrefix(aws.ToString(o.Key), b.prefix), aws.ToInt64(o.Size)}, nil) {
					return
				}
			}
		}
	}
}

// Staged looks for a multipart upload of key that is not completed. MinIO lists uploads only if it is asked for their whole key.
func (b *S3) Staged(ctx context.Context, key string) (bool, error) {
	key = b.prefix + key
	out, err := b.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &key})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(out.Uploads, func(u types.MultipartUpload) bool { return aws.ToString(u.Key) == key }), nil
}

// Open reads an object.
func (b *S3) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	key = b.prefix + key
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	var none *types.NoSuchKey
	if errors.As(err, &none) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}
