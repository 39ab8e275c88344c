package servers

import (
	"context"
	"os"
	"path/filepath"
	"sync"
)

const versityVersion = "v1.8.0"

// Versity is a running versitygw, an S3 server over a folder. Unlike MinIO it lists multipart uploads by prefix, as Amazon's
// does, and answers the repeat of a completion with success. It has the keys of MinIO. Its methods are safe for concurrent
// use.
type Versity struct {
	bin, dir string
	port     int

	mu   sync.Mutex
	proc *Process
}

// InstallVersity builds versitygw; it takes minutes, once.
func InstallVersity(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "versitygw", versityVersion, func(ctx context.Context, dir string) error {
		return goInstall(ctx, dir, "github.com/versity/versitygw/cmd/versitygw", versityVersion, "versitygw")
	})
}

// StartVersity starts an empty S3 server.
func StartVersity(ctx context.Context, c *Cache) (*Versity, error) {
	bin, err := InstallVersity(ctx, c)
	if err != nil {
		return nil, err
	}
	v := &Versity{bin: filepath.Join(bin, "versitygw")}
	if v.port, err = c.Port(ctx); err != nil {
		return nil, err
	}
	if v.dir, err = temp("", "versitygw"); err != nil {
		return nil, err
	}
	if err := v.Restart(ctx); err != nil {
		v.Stop()
		return nil, err
	}
	return v, nil
}

// Restart starts the server again over its data, if it does not run.
func (v *Versity) Restart(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.proc != nil && v.proc.Alive() {
		return nil
	}
	data, sidecar := filepath.Join(v.dir, "data"), filepath.Join(v.dir, "sidecar")
	for _, d := range []string{data, sidecar} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return err
		}
	}
	var err error
	v.proc, err = start(ctx, spec{
		name: "versitygw", log: filepath.Join(v.dir, "versitygw.log"), ready: listens(v.port),
		// Without a sidecar it needs extended attributes, which not every temporary folder has.
		args: []string{
			v.bin, "--access", MinIOAccessKey, "--secret", MinIOSecretKey, "--port", addr(v.port), "--region", "us-east-1", "--quiet",
			"posix", "--sidecar", sidecar, data,
		},
	})
	return err
}

// Endpoint is the server's URL.
func (v *Versity) Endpoint() string { return "http://" + addr(v.port) }

// Process is the server's process.
func (v *Versity) Process() *Process {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.proc
}

// Stop ends the server and deletes its data.
func (v *Versity) Stop() {
	if p := v.Process(); p != nil {
		p.Kill()
	}
	_ = os.RemoveAll(v.dir)
}
