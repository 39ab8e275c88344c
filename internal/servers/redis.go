package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Redis is a running server with an append-only file. Its methods are safe for concurrent use.
type Redis struct {
	bin, dir string
	port     int

	mu   sync.Mutex
	proc *Process
}

// InstallRedis finds redis-server, or takes it from the distribution's packages, and returns the folder that it is in.
func InstallRedis(ctx context.Context, c *Cache) (string, error) {
	if bin, err := exec.LookPath("redis-server"); err == nil {
		return filepath.Dir(bin), nil
	}
	unlock, err := c.lock(ctx, "redis")
	if err != nil {
		return "", err
	}
	defer unlock()
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	if err := run(ctx, "", env, "apt-get", "install", "-y", "--no-install-recommends", "redis-server"); err != nil {
		return "", fmt.Errorf("servers: redis-server is not installed: %w", err)
	}
	bin, err := exec.LookPath("redis-server")
	return filepath.Dir(bin), err
}

// StartRedis starts an empty server.
func StartRedis(ctx context.Context, c *Cache) (*Redis, error) {
	bin, err := InstallRedis(ctx, c)
	if err != nil {
		return nil, err
	}
	r := &Redis{bin: filepath.Join(bin, "redis-server")}
	if r.port, err = c.Port(ctx); err != nil {
		return nil, err
	}
	if r.dir, err = temp("", "redis"); err != nil {
		return nil, err
	}
	if err := r.Restart(ctx); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// Restart starts the server again over its data, if it does not run.
func (r *Redis) Restart(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proc != nil && r.proc.Alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	r.proc, err = start(ctx, spec{
		name: "redis", log: filepath.Join(r.dir, "redis.log"),
		args: []string{
			r.bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.dir, "--save", "",
			"--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no",
		},
		ready: listens(r.port),
	})
	return err
}

// Addr is the server's host and port.
func (r *Redis) Addr() string { return addr(r.port) }

// Process is the server's process.
func (r *Redis) Process() *Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.proc
}

// Stop ends the server and deletes its data.
func (r *Redis) Stop() {
	if p := r.Process(); p != nil {
		p.Kill()
	}
	_ = os.RemoveAll(r.dir)
}
