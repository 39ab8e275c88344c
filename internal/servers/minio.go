package servers

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// minioVersion is pinned: this is the release whose conditional writes were tried.
const minioVersion = "v0.0.0-20260212201848-7aac2a2c5b7c"

// Keys of every MinIO started here. The secret is one that tests can look for in what must not have it; the last is the name
// of the one key that objects can be encrypted with.
const (
	MinIOAccessKey = "minioadmin"
	MinIOSecretKey = "canary-9fK-secret"
	MinIOKMSKey    = "onceflow-test"
)

// MinIO is a running S3 server. Its methods are safe for concurrent use.
type MinIO struct {
	bin, dir string
	port     int

	mu   sync.Mutex
	proc *Process
}

// InstallMinIO builds MinIO; it takes minutes, once.
func InstallMinIO(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "minio", minioVersion, func(ctx context.Context, dir string) error {
		return goInstall(ctx, dir, "github.com/minio/minio", minioVersion, "minio")
	})
}

// StartMinIO starts an empty S3 server.
func StartMinIO(ctx context.Context, c *Cache) (*MinIO, error) {
	bin, err := InstallMinIO(ctx, c)
	if err != nil {
		return nil, err
	}
	m := &MinIO{bin: filepath.Join(bin, "minio")}
	if m.port, err = c.Port(ctx); err != nil {
		return nil, err
	}
	if m.dir, err = temp("", "minio"); err != nil {
		return nil, err
	}
	if err := m.Restart(ctx); err != nil {
		m.Stop()
		return nil, err
	}
	return m, nil
}

// Restart starts the server again over its data, if it does not run.
func (m *MinIO) Restart(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.proc != nil && m.proc.Alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	m.proc, err = start(ctx, spec{
		name: "minio", log: filepath.Join(m.dir, "minio.log"),
		args: []string{m.bin, "server", "--quiet", "--anonymous", "--address", addr(m.port), filepath.Join(m.dir, "data")},
		env: []string{
			"MINIO_ROOT_USER=" + MinIOAccessKey, "MINIO_ROOT_PASSWORD=" + MinIOSecretKey, "MINIO_BROWSER=off",
			"MINIO_UPDATE=off", "MINIO_CALLHOME_ENABLE=off",
			"MINIO_KMS_SECRET_KEY=" + MinIOKMSKey + ":" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
		},
		ready: answers(m.Endpoint() + "/minio/health/ready"),
	})
	return err
}

// Endpoint is the server's URL.
func (m *MinIO) Endpoint() string { return "http://" + addr(m.port) }

// Port is the server's port on loopback.
func (m *MinIO) Port() int { return m.port }

// Process is the server's process.
func (m *MinIO) Process() *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proc
}

// Stop ends the server and deletes its data.
func (m *MinIO) Stop() {
	if p := m.Process(); p != nil {
		p.Kill()
	}
	_ = os.RemoveAll(m.dir)
}

// answers is a ready function for a server that says 200 at url once it serves.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, resp.Status)
		}
		return nil
	}
}
