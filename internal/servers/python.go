package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
)

// uvVersion is of the installer. pip needs minutes where it needs seconds.
const uvVersion = "0.13.9"

// InstallPython makes an environment of Python with packages, such as "duckdb==2.0.1", and returns its interpreter. It installs
// no other packages, so those that the named ones need must be named, too.
func InstallPython(ctx context.Context, c *Cache, name string, packages ...string) (string, error) {
	uv, err := c.install(ctx, "uv", uvVersion, func(ctx context.Context, dir string) error {
		if err := run(ctx, dir, nil, "python3", "-m", "venv", dir); err != nil {
			return err
		}
		return run(ctx, dir, nil, filepath.Join(dir, "bin", "pip"), "install", "--quiet", "uv=="+uvVersion)
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(packages, "\n")))
	python := filepath.Join("env", "bin", "python")
	dir, err := c.install(ctx, "python-"+name, hex.EncodeToString(sum[:4]), func(ctx context.Context, dir string) error {
		if err := run(ctx, dir, nil, "python3", "-m", "venv", "--without-pip", filepath.Join(dir, "env")); err != nil {
			return err
		}
		args := []string{"pip", "install", "--quiet", "--no-deps", "--python", filepath.Join(dir, python)}
		return run(ctx, dir, nil, filepath.Join(uv, "bin", "uv"), append(args, packages...)...)
	})
	return filepath.Join(dir, python), err
}
