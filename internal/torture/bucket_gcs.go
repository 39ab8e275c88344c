package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// gcsBucket is a bucket on an emulator of Google Cloud Storage, read by its JSON API.
type gcsBucket struct {
	endpoint, name string
}

func newGCSBucket(ctx context.Context, endpoint, name string) (*gcsBucket, error) {
	b := &gcsBucket{endpoint, name}
	_, err := b.ask(ctx, http.MethodPost, "?project=torture", fmt.Appendf(nil, `{"name":%q}`, name))
	return b, err
}

// ask sends a request about buckets and returns the body of its answer.
func (b *gcsBucket) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.endpoint+"/storage/v1/b"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound:
		return nil, fs.ErrNotExist
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, said)
	}
	return said, nil
}

// list leaves staging out.
func (b *gcsBucket) list(ctx context.Context, prefix, after string) (out []object, err error) {
	q := url.Values{"prefix": {prefix}}
	if after != "" {
		q.Set("startOffset", after+"\x00")
	}
	for {
		var page struct {
			NextPageToken string
			Items         []struct {
				Name    string
				Size    int64 `json:",string"`
				Updated time.Time
			}
		}
		body, err := b.ask(ctx, http.MethodGet, "/"+b.name+"/o?"+q.Encode(), nil)
		if err == nil {
			err = json.Unmarshal(body, &page)
		}
		if err != nil {
			return nil, err
		}
		for _, o := range page.Items {
			if !strings.HasPrefix(o.Name, "_staging/") {
				out = append(out, object{o.Name, o.Size, o.Updated})
			}
		}
		if page.NextPageToken == "" {
			return out, nil
		}
		q.Set("pageToken", page.NextPageToken)
	}
}

func (b *gcsBucket) get(ctx context.Context, key string) ([]byte, error) {
	return b.ask(ctx, http.MethodGet, "/"+b.name+"/o/"+url.PathEscape(key)+"?alt=media", nil)
}
