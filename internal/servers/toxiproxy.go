package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

const toxiproxyVersion = "v2.12.0"

// Toxiproxy is a running proxy server that makes networks bad. Its methods are safe for concurrent use.
type Toxiproxy struct {
	*Process
	cache *Cache
	dir   string
	api   string
}

// InstallToxiproxy builds toxiproxy.
func InstallToxiproxy(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "toxiproxy", toxiproxyVersion, func(ctx context.Context, dir string) error {
		return goInstall(ctx, dir, "github.com/Shopify/toxiproxy/v2/cmd/server", toxiproxyVersion, "toxiproxy-server")
	})
}

// StartToxiproxy starts the proxy server, with no proxy in it.
func StartToxiproxy(ctx context.Context, c *Cache) (*Toxiproxy, error) {
	bin, err := InstallToxiproxy(ctx, c)
	if err != nil {
		return nil, err
	}
	port, err := c.Port(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := temp("", "toxiproxy")
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, spec{
		name: "toxiproxy", log: filepath.Join(dir, "toxiproxy.log"), ready: listens(port),
		args: []string{filepath.Join(bin, "toxiproxy-server"), "-host", "127.0.0.1", "-port", fmt.Sprint(port)},
	})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return &Toxiproxy{Process: p, cache: c, dir: dir, api: "http://" + addr(port)}, nil
}

// Proxy makes a proxy of that name in front of the port on loopback and returns the proxy's port.
func (t *Toxiproxy) Proxy(ctx context.Context, name string, upstream int) (int, error) {
	port, err := t.cache.Port(ctx)
	if err != nil {
		return 0, err
	}
	return port, t.post(ctx, "/proxies", map[string]any{
		"name": name, "listen": addr(port), "upstream": addr(upstream), "enabled": true,
	})
}

// Enable lets connections through a proxy, or cuts all and refuses new ones.
func (t *Toxiproxy) Enable(ctx context.Context, name string, on bool) error {
	return t.post(ctx, "/proxies/"+name, map[string]any{"enabled": on})
}

// Toxic adds a toxic, such as "latency", "timeout", "reset_peer" or "limit_data", to a proxy. stream is "upstream" or
// "downstream"; what attributes there are says the toxic's documentation.
func (t *Toxiproxy) Toxic(ctx context.Context, proxy, kind, stream string, attributes map[string]int) error {
	return t.post(ctx, "/proxies/"+proxy+"/toxics", map[string]any{
		"name": kind + "-" + stream, "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes,
	})
}

// Reset removes all toxics and enables all proxies.
func (t *Toxiproxy) Reset(ctx context.Context) error {
	return t.post(ctx, "/reset", nil)
}

// Stop ends the server with all its proxies.
func (t *Toxiproxy) Stop() {
	t.Kill()
	_ = os.RemoveAll(t.dir)
}

func (t *Toxiproxy) post(ctx context.Context, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.api+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		msg, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
		return fmt.Errorf("servers: toxiproxy %s: %s: %s", path, resp.Status, msg)
	}
	return nil
}
