package servers

import (
	"context"
	"path/filepath"
)

// InstallJar takes an artifact from Maven, such as "org.apache.spark", "spark-avro_2.13", "4.3.0", with what it needs beside the
// program that it is for, and returns its file.
func InstallJar(ctx context.Context, c *Cache, group, artifact, version string) (string, error) {
	dir, err := c.install(ctx, artifact, version, func(ctx context.Context, dir string) error {
		return maven(ctx, dir, jar{group: group, artifact: artifact, version: version})
	})
	return filepath.Join(dir, "libs", artifact+"-"+version+".jar"), err
}
