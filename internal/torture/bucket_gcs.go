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
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
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

// setUpGCS starts the emulator. Sessions of long uploads go past the proxy, to where the emulator says that they are.
func (w *world) setUpGCS(ctx context.Context) (args, env []string, err error) {
	var host string // by which the emulator knows requests for contents
	w.gcs, err = servers.StartGCS(ctx, w.cache, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Host = host
			h.ServeHTTP(rw, r)
		})
	})
	if err != nil {
		return nil, nil, err
	}
	at, err := url.Parse(w.gcs.Endpoint())
	if err != nil {
		return nil, nil, err
	}
	host = at.Host
	if w.bucket, err = newGCSBucket(ctx, w.gcs.Endpoint(), "torture"); err != nil {
		return nil, nil, err
	}
	port, err := strconv.Atoi(at.Port())
	if err == nil && w.Toxics {
		port, err = w.behind(ctx, "gcs", port)
	}
	return []string{"-bucket", "torture"}, []string{fmt.Sprintf("STORAGE_EMULATOR_HOST=127.0.0.1:%d", port)}, err
}
