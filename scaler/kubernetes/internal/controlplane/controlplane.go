// Package controlplane builds and finds the programs of a real Kubernetes control plane for tests: kube-apiserver and
// etcd. They are built from their Go modules, so all that is needed is Go; it takes some minutes, once.
package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Version is that of Kubernetes. The version of etcd is the one that it requires itself.
const Version = "1.36.3"

const kubernetes = "k8s.io/kubernetes"

// programs are what Install builds, by the name of their file.
var programs = []struct{ name, pkg string }{
	{"etcd", "go.etcd.io/etcd/server/v3"},
	{"kube-apiserver", kubernetes + "/cmd/kube-apiserver"},
}

// Programs are the paths of what was built.
type Programs struct{ Etcd, APIServer string }

// dir is the folder below ONCEFLOW_CACHE, or below onceflow in the user's cache.
func dir() (string, error) {
	cache := os.Getenv("ONCEFLOW_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "onceflow")
	}
	return filepath.Join(cache, "kubernetes", Version+"-"+runtime.GOOS+"-"+runtime.GOARCH), nil
}

// Find returns the programs; the error matches fs.ErrNotExist if they were not built yet.
func Find() (Programs, error) {
	d, err := dir()
	if err != nil {
		return Programs{}, err
	}
	p := Programs{Etcd: filepath.Join(d, "etcd"), APIServer: filepath.Join(d, "kube-apiserver")}
	for _, path := range []string{p.Etcd, p.APIServer} {
		if _, err := os.Stat(path); err != nil {
			return Programs{}, err
		}
	}
	return p, nil
}

// Install builds what is missing. It may be called again after a failure, and by several processes at once: a program
// appears under its name when it is complete.
func Install(ctx context.Context, log io.Writer) (p Programs, err error) {
	if p, err := Find(); err == nil {
		return p, nil
	}
	d, err := dir()
	if err != nil {
		return Programs{}, err
	}
	if err := os.MkdirAll(d, 0o755); err != nil {
		return Programs{}, err
	}
	module, err := os.MkdirTemp("", "controlplane")
	if err != nil {
		return Programs{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(module)) }()
	if err := writeModule(ctx, module); err != nil {
		return Programs{}, fmt.Errorf("make a module to build in: %w", err)
	}
	for _, p := range programs {
		to := filepath.Join(d, p.name)
		if _, err := os.Stat(to); err == nil {
			continue
		}
		fmt.Fprintf(log, "building %s\n", p.pkg)
		built := filepath.Join(d, fmt.Sprintf("%s.%d", p.name, os.Getpid()))
		_, err := run(ctx, module, "go", "build", "-mod=mod", "-trimpath", "-ldflags", linkerFlags(), "-o", built, p.pkg)
		if err == nil {
			err = os.Rename(built, to)
		}
		if err != nil {
			return Programs{}, errors.Join(fmt.Errorf("build %s: %w", p.name, err), os.RemoveAll(built))
		}
	}
	return Find()
}

// writeModule makes a module that requires Kubernetes. Kubernetes replaces its parts by folders of its own repository; a
// module that requires it must replace them by their published versions.
func writeModule(ctx context.Context, dir string) error {
	out, err := run(ctx, dir, "go", "mod", "download", "-json", kubernetes+"@v"+Version)
	if err != nil {
		return err
	}
	var downloaded struct{ GoMod string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return err
	}
	if out, err = run(ctx, dir, "go", "mod", "edit", "-json", downloaded.GoMod); err != nil {
		return err
	}
	var theirs struct {
		Replace []struct{ Old, New struct{ Path string } }
	}
	if err := json.Unmarshal(out, &theirs); err != nil {
		return err
	}
	var mod strings.Builder
	fmt.Fprintf(&mod, "module controlplane\n\ngo 1.26.0\n\nrequire %s v%s\n\n", kubernetes, Version)
	_, minor, _ := strings.Cut(Version, ".")
	for _, r := range theirs.Replace {
		if strings.HasPrefix(r.New.Path, "./") {
			fmt.Fprintf(&mod, "replace %s => %s v0.%s\n", r.Old.Path, r.Old.Path, minor)
		}
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod.String()), 0o644)
}

// linkerFlags set the version that the API server tells its clients.
func linkerFlags() string {
	parts := strings.Split(Version, ".")
	flags := "-s -w"
	for name, value := range map[string]string{"gitVersion": "v" + Version, "gitMajor": parts[0], "gitMinor": parts[1]} {
		flags += fmt.Sprintf(" -X k8s.io/component-base/version.%s=%s", name, value)
	}
	return flags
}

// run runs a command in a folder that is no part of a workspace and returns what it prints.
func run(ctx context.Context, dir string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		said := errs.String()
		return nil, fmt.Errorf("%s %s: %w: %s", name, args[0], err, said[max(0, len(said)-2000):])
	}
	return out.Bytes(), nil
}
