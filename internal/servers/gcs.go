package servers

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/onceflow/onceflow/internal/gcsfront"
)

const fakeGCSVersion = "v1.56.1"

// GCS is a running emulator of Google Cloud Storage behind a front that adds rules of the service.
type GCS struct {
	*Process
	front *httptest.Server
	dir   string
}

// InstallGCS builds the emulator.
func InstallGCS(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "fake-gcs-server", fakeGCSVersion, func(ctx context.Context, dir string) error {
		return goInstall(ctx, dir, "github.com/fsouza/fake-gcs-server", fakeGCSVersion, "fake-gcs-server")
	})
}

// StartGCS starts an empty emulator. wrap, if not nil, goes around the front, to spoil answers.
func StartGCS(ctx context.Context, c *Cache, wrap func(http.Handler) http.Handler) (*GCS, error) {
	bin, err := InstallGCS(ctx, c)
	if err != nil {
		return nil, err
	}
	port, err := c.Port(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := temp("", "gcs")
	if err != nil {
		return nil, err
	}
	front, err := gcsfront.New("http://" + addr(port))
	if err != nil {
		return nil, err
	}
	var h http.Handler = front
	if wrap != nil {
		h = wrap(h)
	}
	g := &GCS{dir: dir}
	g.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = g.front.Listener.Addr().String() // the emulator goes by it, also if there is another proxy in front
		h.ServeHTTP(w, r)
	}))
	g.Process, err = start(ctx, spec{
		name: "gcs", log: filepath.Join(dir, "gcs.log"), ready: listens(port),
		args: []string{
			filepath.Join(bin, "fake-gcs-server"), "-scheme", "http", "-host", "127.0.0.1", "-port", fmt.Sprint(port),
			"-backend", "memory", "-external-url", g.front.URL, "-public-host", g.front.Listener.Addr().String(),
		},
	})
	if err != nil {
		g.front.Close()
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return g, nil
}

// Endpoint is the URL of the front.
func (g *GCS) Endpoint() string { return g.front.URL }

// Stop ends the emulator and its front.
func (g *GCS) Stop() {
	g.front.CloseClientConnections()
	g.front.Close()
	g.Process.Stop()
	_ = os.RemoveAll(g.dir)
}
