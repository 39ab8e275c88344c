package torture

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// object is one in a listing.
type object struct {
	key  string
	size int64
	at   time.Time
}

// bucket is how the checker sees the store: it reads only.
type bucket interface {
	// list returns the objects below prefix whose keys are behind after, by key.
	list(ctx context.Context, prefix, after string) ([]object, error)

	// get returns an object, or an error that matches fs.ErrNotExist.
	get(ctx context.Context, key string) ([]byte, error)
}

// s3Bucket is a bucket on an S3 server.
type s3Bucket struct {
	client *awss3.Client
	name   string
}

func newS3Bucket(ctx context.Context, endpoint, access, secret, name string) (*s3Bucket, error) {
	c := awss3.New(awss3.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
	_, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &name})
	return &s3Bucket{c, name}, err
}

func (b *s3Bucket) list(ctx context.Context, prefix, after string) (out []object, err error) {
	q := &awss3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix}
	if after != "" {
		q.StartAfter = &after
	}
	for p := awss3.NewListObjectsV2Paginator(b.client, q); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			out = append(out, object{aws.ToString(o.Key), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
		}
	}
	return out, nil
}

func (b *s3Bucket) get(ctx context.Context, key string) ([]byte, error) {
	r, err := b.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: &b.name, Key: &key})
	var none *types.NoSuchKey
	if errors.As(err, &none) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}

// folder is a bucket on disk.
type folder string

func (d folder) list(_ context.Context, prefix, after string) (out []object, err error) {
	root := filepath.Join(string(d), filepath.FromSlash(prefix[:strings.LastIndexByte(prefix, '/')+1]))
	err = filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // staging that was just published
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(string(d), p)
		if key := filepath.ToSlash(rel); err == nil && strings.HasPrefix(key, prefix) && key > after && !strings.Contains(key, "/.") {
			out = append(out, object{key, info.Size(), info.ModTime()})
		}
		return err
	})
	return out, err
}

func (d folder) get(_ context.Context, key string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), filepath.FromSlash(key)))
}

// copyTo copies the whole bucket into a folder.
func copyTo(ctx context.Context, b bucket, dir string) error {
	all, err := b.list(ctx, "", "")
	if err != nil {
		return err
	}
	for _, o := range all {
		body, err := b.get(ctx, o.key)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, filepath.FromSlash(o.key))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, body, 0o666); err != nil {
			return err
		}
	}
	return nil
}
