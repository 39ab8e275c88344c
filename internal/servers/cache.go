package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Cache is the folder that holds what was installed. It is safe for concurrent use, by any number of processes.
type Cache struct {
	dir string
}

// Open opens the cache at $ONCEFLOW_CACHE, or else in the user's cache folder, and makes it if need be.
func Open() (*Cache, error) {
	dir := os.Getenv("ONCEFLOW_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("servers: set ONCEFLOW_CACHE: %w", err)
		}
		dir = filepath.Join(user, "onceflow")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Cache{dir: dir}, os.MkdirAll(filepath.Join(dir, "locks"), 0o777)
}

// Dir is the folder.
func (c *Cache) Dir() string { return c.dir }

// install returns the folder name-version, made by build if it was not there. A build that fails leaves nothing behind
// that would be taken for an install.
func (c *Cache) install(ctx context.Context, name, version string, build func(ctx context.Context, dir string) error) (string, error) {
	dir := filepath.Join(c.dir, name+"-"+version)
	done := filepath.Join(dir, ".installed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	unlock, err := c.lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(done); err == nil {
		return dir, nil // another process was faster
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	if err := build(ctx, dir); err != nil {
		return "", fmt.Errorf("servers: install %s %s: %w", name, version, err)
	}
	return dir, os.WriteFile(done, nil, 0o666)
}

// lock takes the lock of that name, waiting while another process has it.
func (c *Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.dir, "locks", name), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		ok, err := tryLock(f)
		if ok {
			return func() { _ = f.Close() }, nil // closing gives the lock up
		}
		if err == nil {
			err = wait(ctx, 50*time.Millisecond)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("servers: lock %s: %w", name, err), f.Close())
		}
	}
}

// wait waits for d, or returns the cause when ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// temp makes a folder for a server's data, which lies outside the cache.
func temp(dir, name string) (string, error) {
	return os.MkdirTemp(cmp.Or(dir, os.TempDir()), "onceflow-"+name+"-")
}
