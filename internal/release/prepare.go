package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Options say what Prepare does.
type Options struct {
	// Root is the checkout whose HEAD is released. It is only read.
	Root string

	// Version is that of all modules, such as v0.1.0.
	Version string

	// Dir is an empty folder for the clone, a proxy and what is built.
	Dir string

	// Modules is the folder in which the go command keeps the modules of others, from one call to the next. One Prepare at a
	// time may use it.
	Modules string

	// Others is the GOPROXY for the modules of others. Defaults to what go env says, after this machine's module cache.
	Others string

	// Tests runs the short tests of each module, beside building it and, without NoVet, vetting it.
	Tests, NoVet bool

	// Say gets a line for each step.
	Say io.Writer
}

// Release is what Prepare has made.
type Release struct {
	Version string
	Clone   string // a git repository, with the tags
	Modules []Module

	// Env lets the go command take the released modules from a file-system proxy as anybody takes them, and others as ever.
	Env []string
}

// versions above v1 would need paths that end with them.
var versions = regexp.MustCompile(`^v[01]\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$`)

// Prepare makes a clone of the checkout in which all modules require each other in the version, and one commit and the tags
// say so. Each module is then built, vetted and tested alone, against the others as the go command gets them from the tags.
func Prepare(ctx context.Context, o Options) (*Release, error) {
	if !versions.MatchString(o.Version) {
		return nil, fmt.Errorf("the version %q is not like v0.1.0", o.Version)
	}
	if o.Others == "" {
		env, err := output(ctx, o.Dir, nil, "go", "env", "GOMODCACHE", "GOPROXY")
		if err != nil {
			return nil, err
		}
		cache, usual, _ := strings.Cut(strings.TrimSpace(env), "\n")
		o.Others = "file://" + filepath.ToSlash(cache) + "/cache/download," + usual
	}
	r := &Release{Version: o.Version, Clone: filepath.Join(o.Dir, "clone")}
	if _, err := output(ctx, o.Dir, nil, "git", "clone", "-q", o.Root, r.Clone); err != nil {
		return nil, err
	}
	if found, err := output(ctx, r.Clone, nil, "git", "tag", "--list", o.Version, "*/"+o.Version); err != nil || found != "" {
		return nil, errors.Join(err, fmt.Errorf("there is a tag already: %q", found))
	}
	all, err := Modules(ctx, r.Clone)
	if err != nil {
		return nil, err
	}
	r.Modules = slices.DeleteFunc(slices.Clone(all), func(m Module) bool { return !m.Released() })
	if err := rewrite(ctx, r.Clone, all, o.Version); err != nil {
		return nil, err
	}
	if err := r.tag(ctx, o); err != nil {
		return nil, err
	}
	if err := r.publish(ctx, o); err != nil {
		return nil, err
	}
	return r, r.build(ctx, o)
}

// rewrite lets every module require the version of the others, and go.work replace it.
func rewrite(ctx context.Context, clone string, all []Module, version string) error {
	for _, m := range all {
		edit := []string{"mod", "edit"}
		for _, o := range all {
			if slices.Contains(m.Needs, o.Path) {
				edit = append(edit, "-require="+o.Path+"@"+version, "-dropreplace="+o.Path)
			}
		}
		if len(edit) > 2 {
			if _, err := output(ctx, filepath.Join(clone, m.Dir), nil, "go", edit...); err != nil {
				return err
			}
		}
		if err := dropSums(filepath.Join(clone, m.Dir, "go.sum"), all); err != nil {
			return err
		}
	}
	return replaceInWorkspace(ctx, clone, all, version)
}

// dropSums removes what go.sum says of former releases.
func dropSums(name string, all []Module) error {
	own, others, err := splitSum(name, all)
	if err != nil || len(own) == 0 {
		return err
	}
	return os.WriteFile(name, []byte(strings.Join(others, "")), 0o644)
}

// replaceInWorkspace keeps those who work on the repository from asking for versions that are not published yet.
func replaceInWorkspace(ctx context.Context, clone string, all []Module, version string) error {
	work := filepath.Join(clone, "go.work")
	text, err := os.ReadFile(work)
	if err != nil {
		return err
	}
	edit := []string{"work", "edit"}
	for line := range strings.Lines(string(text)) {
		for _, m := range all {
			if f := strings.Fields(line); len(f) > 3 && f[0] == m.Path && f[2] == "=>" {
				edit = append(edit, "-dropreplace="+m.Path+"@"+f[1], "-replace="+m.Path+"@"+version+"="+f[3])
			}
		}
	}
	if len(edit) == 2 {
		return nil
	}
	_, err = output(ctx, clone, nil, "go", append(edit, work)...)
	return err
}

// tag tidies the modules in their order, each against the tags of those before it, and moves all tags to one commit in the
// end. That changes no module: none has files of another.
func (r *Release) tag(ctx context.Context, o Options) error {
	env := r.env(o, "direct")
	git := []string{"-c", "user.name=release", "-c", "user.email=release@localhost", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"}
	commit := append(slices.Clone(git), "commit", "-q", "-a", "--allow-empty", "-m", "Release "+r.Version)
	for i, m := range r.Modules {
		fmt.Fprintf(o.Say, "tidy and tag %s\n", m.Tag(r.Version))
		if err := forget(o.Modules, r.Modules[0].Path); err != nil {
			return err
		}
		dir := filepath.Join(r.Clone, m.Dir)
		if err := commands(ctx, dir, env, "go mod tidy", "go mod verify"); err != nil {
			return err
		}
		if i == 1 {
			commit = append(commit, "--amend")
		}
		if _, err := output(ctx, r.Clone, nil, "git", commit...); err != nil {
			return err
		}
		for _, t := range r.Modules[:i+1] {
			mark := append(slices.Clone(git), "tag", "-f", "-a", "-m", t.Path+" "+r.Version, t.Tag(r.Version))
			if _, err := output(ctx, r.Clone, nil, "git", mark...); err != nil {
				return err
			}
		}
	}
	return nil
}

// env lets the go command look for our modules in the clone instead of where they will be published, if ours is "direct", or
// in the proxy ours. What others made comes from where it always comes from, after what this machine has already.
func (r *Release) env(o Options, ours string) []string {
	ourPath := r.Modules[0].Path
	env := append(noWorkspace("-modcacherw -trimpath -buildvcs=false"), "GOMODCACHE="+o.Modules, "GOPRIVATE=", "GONOSUMDB="+ourPath,
		"GODEBUG=goindex=0") // the index of a module's files is kept by folder: of an earlier try of the version it has files that are gone
	if ours == "direct" {
		return append(env, "GOPROXY="+o.Others, "GONOPROXY="+ourPath,
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+filepath.ToSlash(r.Clone)+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+ourPath)
	}
	return append(env, "GOPROXY=file://"+filepath.ToSlash(ours)+","+o.Others, "GONOPROXY=")
}

// forget takes our modules, and the clones that they came from, out of a module cache.
func forget(cache, prefix string) error {
	return errors.Join(
		os.RemoveAll(filepath.Join(cache, "cache", "vcs")),
		os.RemoveAll(filepath.Join(cache, "cache", "download", filepath.FromSlash(prefix))),
		removeMatching(filepath.Join(cache, filepath.FromSlash(prefix)+"@*")),
		os.RemoveAll(filepath.Join(cache, filepath.FromSlash(prefix))),
	)
}

func removeMatching(pattern string) error {
	found, err := filepath.Glob(pattern)
	for _, f := range found {
		err = errors.Join(err, os.RemoveAll(f))
	}
	return err
}

// publish lets the go command make the modules' zips from the tags, and a file-system proxy of them.
func (r *Release) publish(ctx context.Context, o Options) error {
	if err := forget(o.Modules, r.Modules[0].Path); err != nil {
		return err
	}
	get := []string{"mod", "download"}
	for _, m := range r.Modules {
		get = append(get, m.Path+"@"+r.Version)
	}
	fmt.Fprintf(o.Say, "make a proxy of %d modules\n", len(r.Modules))
	if _, err := output(ctx, o.Dir, r.env(o, "direct"), "go", get...); err != nil {
		return err
	}
	proxy := filepath.Join(o.Dir, "proxy")
	for _, m := range r.Modules {
		at := filepath.Join(filepath.FromSlash(m.Path), "@v")
		if err := os.MkdirAll(filepath.Join(proxy, at), 0o755); err != nil {
			return err
		}
		for _, ext := range []string{".info", ".mod", ".zip"} {
			if err := copyFile(filepath.Join(proxy, at, r.Version+ext), filepath.Join(o.Modules, "cache", "download", at, r.Version+ext)); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(proxy, at, "list"), []byte(r.Version+"\n"), 0o644); err != nil {
			return err
		}
	}
	r.Env = r.env(o, proxy)
	return forget(o.Modules, r.Modules[0].Path)
}

// build tries each module alone.
func (r *Release) build(ctx context.Context, o Options) error {
	for _, m := range r.Modules {
		try := []string{"go build ./..."}
		if !o.NoVet {
			try = append(try, "go vet ./...")
		}
		if o.Tests {
			try = append(try, "go test -short ./...")
		}
		fmt.Fprintf(o.Say, "%s in %s\n", strings.Join(try, ", "), m.Path)
		if err := commands(ctx, filepath.Join(r.Clone, m.Dir), r.Env, try...); err != nil {
			return err
		}
	}
	return nil
}
