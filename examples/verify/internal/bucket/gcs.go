package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// GCS is a Bucket of Google Cloud Storage, read by its JSON API. The client for it would bring a hundred modules to
// a program that sends two kinds of requests.
type GCS struct {
	endpoint, name, prefix string
	token                  func(context.Context) (string, error)
	Page                   int // objects in an answer to a listing
}

// gcsStaging begins the names, behind the prefix, of what is not published.
const gcsStaging = "_staging/"

// OpenGCS asks nothing yet. Another endpoint gets no token but an explicit one.
func OpenGCS(endpoint, name, prefix string) *GCS {
	b := &GCS{endpoint: strings.TrimSuffix(endpoint, "/"), name: name, prefix: prefix, Page: 1000}
	explicit := os.Getenv("GOOGLE_OAUTH_ACCESS_TOKEN")
	b.token = func(context.Context) (string, error) { return explicit, nil }
	if endpoint == "" {
		b.endpoint = "https://storage.googleapis.com"
		if explicit == "" {
			b.token = (&machineToken{url: "http://metadata.google.internal"}).get
		}
	}
	return b
}

// List leaves out what is staged.
func (b *GCS) List(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for o, err := range b.items(ctx, b.prefix) {
			if err != nil {
				yield(Object{}, err)
				return
			}
			key := strings.TrimPrefix(o.Name, b.prefix)
			if !strings.HasPrefix(key, gcsStaging) && !yield(Object{key, o.Size}, nil) {
				return
			}
		}
	}
}

// Staged looks at the metadata of staged objects.
func (b *GCS) Staged(ctx context.Context, key string) (bool, error) {
	for o, err := range b.items(ctx, b.prefix+gcsStaging) {
		if staged := o.Metadata["onceflow-key"]; err != nil || staged != "" && staged == key {
			return err == nil, err
		}
	}
	return false, nil
}

// gcsItem is an object as a listing tells it.
type gcsItem struct {
	Name     string
	Size     int64 `json:",string"`
	Metadata map[string]string
}

func (b *GCS) items(ctx context.Context, prefix string) iter.Seq2[gcsItem, error] {
	return func(yield func(gcsItem, error) bool) {
		q := url.Values{"prefix": {prefix}, "maxResults": {strconv.Itoa(b.Page)}, "fields": {"nextPageToken,items(name,size,metadata)"}}
		for {
			var page struct {
				NextPageToken string
				Items         []gcsItem
			}
			body, err := b.ask(ctx, "/storage/v1/b/"+url.PathEscape(b.name)+"/o?"+q.Encode())
			if err == nil {
				err = json.NewDecoder(body).Decode(&page)
				body.Close()
			}
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("there is no bucket %s", b.name)
			}
			if err != nil {
				yield(gcsItem{}, err)
				return
			}
			for _, o := range page.Items {
				if !yield(o, nil) {
					return
				}
			}
			if page.NextPageToken == "" {
				return
			}
			q.Set("pageToken", page.NextPageToken)
		}
	}
}

// Open reads an object as it lies there.
func (b *GCS) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	return b.ask(ctx, "/storage/v1/b/"+url.PathEscape(b.name)+"/o/"+url.PathEscape(b.prefix+key)+"?alt=media")
}

// ask sends a GET, again if the service stumbles, and returns the body of an answer that is 200.
func (b *GCS) ask(ctx context.Context, path string) (io.ReadCloser, error) {
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		body, again, err := b.try(ctx, path)
		if !again || wait > 3*time.Second {
			return body, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *GCS) try(ctx context.Context, path string) (body io.ReadCloser, again bool, err error) {
	token, err := b.token(ctx)
	if err != nil {
		return nil, false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.endpoint+path, nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept-Encoding", "gzip") // bytes as they lie there, whatever their name
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, true, err
	}
	code := resp.StatusCode
	if code == http.StatusOK {
		return resp.Body, false, nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	resp.Body.Close()
	switch code {
	case http.StatusNotFound:
		return nil, false, fs.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, false, fmt.Errorf("the token of $GOOGLE_OAUTH_ACCESS_TOKEN, or of this machine, is not allowed to read, or has expired: %s", said)
	}
	return nil, code == http.StatusTooManyRequests || code >= 500, fmt.Errorf("%s: %s", resp.Status, said)
}
