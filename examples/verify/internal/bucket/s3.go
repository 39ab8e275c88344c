package bucket

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 is a Bucket of Amazon S3, or of what speaks its protocol.
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

// s3Staging begins the names, behind the prefix, of files that wait as objects.
const s3Staging = "_staging/"

// List asks for page after page.
func (b *S3) List(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for o, err := range b.items(ctx, b.prefix) {
			if err == nil && strings.HasPrefix(o.Key, s3Staging) {
				continue
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// items asks for encoded names, since XML cannot say all that other programs may have used.
func (b *S3) items(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, MaxKeys: &b.Page, EncodingType: types.EncodingTypeUrl}
		pages := s3.NewListObjectsV2Paginator(b.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, o := range page.Contents {
				name := aws.ToString(o.Key)
				if plain, err := url.QueryUnescape(name); err == nil && page.EncodingType == types.EncodingTypeUrl {
					name = plain
				}
				if !yield(Object{strings.TrimPrefix(name, b.prefix), aws.ToInt64(o.Size)}, nil) {
					return
				}
			}
		}
	}
}

// Staged looks for a multipart upload of key that is not completed, or for an object that is to be copied to key. MinIO lists
// uploads only if it is asked for their whole key.
func (b *S3) Staged(ctx context.Context, key string) (bool, error) {
	full := b.prefix + key
	out, err := b.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &full})
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(out.Uploads, func(u types.MultipartUpload) bool { return aws.ToString(u.Key) == full }) {
		return true, nil
	}
	for o, err := range b.items(ctx, b.prefix+s3Staging) {
		if err != nil {
			return false, err
		}
		of, err := b.keyOf(ctx, o.Key)
		if err != nil || of == key {
			return err == nil, err
		}
	}
	return false, nil
}

// keyOf is the key that an object in staging is for: its name has it behind the first comma, with a comma at the end of each
// part, or its metadata do. It is empty for other objects.
func (b *S3) keyOf(ctx context.Context, name string) (string, error) {
	if _, key, ok := strings.Cut(name, ","); ok {
		return strings.ReplaceAll(strings.TrimSuffix(key, ","), ",/", "/"), nil
	}
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + name)})
	var none *types.NotFound
	if errors.As(err, &none) { // published meanwhile
		return "", nil
	}
	if err != nil {
		return "", err
	}
	key, err := base64.RawURLEncoding.DecodeString(out.Metadata["onceflow-key"])
	if err != nil { // another program's
		return "", nil //nolint:nilerr // so it is no file of ours
	}
	return string(key), nil
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
