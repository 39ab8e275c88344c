package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/s3"
)

// bucket is one of the S3 server.
type bucket struct{ endpoint, name string }

func (b *bucket) config() aws.Config {
	return aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, servers.MinIOSecretKey, "")}
}

// store counts its HTTP requests in asked, unless that is nil.
func (b *bucket) store(ctx context.Context, asked *requests) (sink.Store, error) {
	c := b.config()
	if asked != nil {
		c.HTTPClient = &http.Client{Transport: wire{http.DefaultTransport, asked}}
	}
	return s3.Open(ctx, c, b.name, &s3.Options{Endpoint: b.endpoint, PathStyle: true})
}

func (b *bucket) client() *awss3.Client {
	return awss3.NewFromConfig(b.config(), func(o *awss3.Options) { o.BaseEndpoint, o.UsePathStyle = &b.endpoint, true })
}

// visible is a file of the output, by its path.
type visible struct {
	path string
	size int64
	open func() (io.ReadCloser, error)
}

// list returns the objects of the bucket, without those of the library's own.
func (b *bucket) list(ctx context.Context) (out []visible, err error) {
	c := b.client()
	for p := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: &b.name}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for i := range page.Contents {
			key := page.Contents[i].Key
			if hidden(*key) {
				continue
			}
			out = append(out, visible{*key, aws.ToInt64(page.Contents[i].Size), func() (io.ReadCloser, error) {
				o, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: &b.name, Key: key})
				if err != nil {
					return nil, err
				}
				return o.Body, nil
			}})
		}
	}
	return out, nil
}

// remove deletes the bucket with all that is in it.
func (b *bucket) remove(ctx context.Context) error {
	c := b.client()
	for p := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: &b.name}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return err
		}
		for i := range page.Contents {
			if _, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &b.name, Key: page.Contents[i].Key}); err != nil {
				return err
			}
		}
	}
	_, err := c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &b.name})
	return err
}

// listDir is list for a folder.
func listDir(dir string) (out []visible, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || hidden(filepath.ToSlash(name)) {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		out = append(out, visible{filepath.ToSlash(name), i.Size(), func() (io.ReadCloser, error) { return os.Open(path) }})
		return nil
	})
	return out, err
}

// hidden reports whether readers skip a path: a part of it begins with an underscore or a dot.
func hidden(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "_") || strings.HasPrefix(part, ".") {
			return true
		}
	}
	return false
}
