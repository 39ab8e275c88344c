package release

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Outside copies the Go files of the folder program into a new module, which is no part of the repository, gets the release
// of every module with packages, builds the program and returns what it prints. The programs of the example modules are
// installed from outside, too.
func (r *Release) Outside(ctx context.Context, program, dir string, say io.Writer) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(program, "*.go"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("%s holds no program: %w", program, err)
	}
	for _, f := range files {
		if err := copyFile(filepath.Join(dir, filepath.Base(f)), f); err != nil {
			return "", err
		}
	}
	get := []string{"get"}
	for _, m := range r.Modules {
		if !m.Example() {
			get = append(get, m.Path) // no version: the newest, as whoever begins
		}
	}
	fmt.Fprintln(say, "go get all of them from a module outside, build and run it")
	if err := commands(ctx, dir, r.Env, "go mod init example.com/outside"); err != nil {
		return "", err
	}
	if _, err := output(ctx, dir, r.Env, "go", get...); err != nil {
		return "", err
	}
	if err := commands(ctx, dir, r.Env, "go mod tidy", "go build -o outside ."); err != nil {
		return "", err
	}
	for _, m := range r.Modules {
		if m.Example() {
			fmt.Fprintf(say, "go install %s@%s\n", m.Path, r.Version)
			if err := commands(ctx, dir, append(r.Env, "GOBIN="+filepath.Join(dir, "bin")), "go install "+m.Path+"@"+r.Version); err != nil {
				return "", err
			}
		}
	}
	return output(ctx, dir, nil, filepath.Join(dir, "outside"))
}
