package argocd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/onceflow/onceflow/scaler"
)

// ValuesConfig says which keys of which file hold the size.
type ValuesConfig struct {
	Repository string // as git clone takes it; required
	Branch     string // required
	File       string // path in the repository; required

	// Copies and Cores are paths of keys, such as "etl.replicaCount". A dot within a key is \., as in Helm's --set. Copies is
	// required, Cores is not.
	Copies, Cores string

	// Author and Email sign the commits.
	//
	// Default to "onceflow-scaler" and "onceflow-scaler@localhost".
	Author, Email string
}

// Values is a target by commits to a file in Git. Each look fetches the branch, so once a minute is often enough. It uses
// the credentials that git finds: a credential helper, or an SSH key. It is safe for concurrent use.
type Values struct {
	c   ValuesConfig
	dir string

	mu sync.Mutex
}

// OpenValues clones the branch into a temporary folder and reads the size once. Close removes the folder.
func OpenValues(ctx context.Context, c ValuesConfig) (*Values, error) {
	if c.Repository == "" || c.Branch == "" || c.File == "" || c.Copies == "" {
		return nil, errors.New("argocd: needs a repository, a branch, a file and the key of the copies")
	}
	if !filepath.IsLocal(c.File) {
		return nil, fmt.Errorf("argocd: %q is not a path in the repository", c.File)
	}
	c.Author, c.Email = cmp.Or(c.Author, "onceflow-scaler"), cmp.Or(c.Email, "onceflow-scaler@localhost")
	dir, err := os.MkdirTemp("", "values")
	if err != nil {
		return nil, fmt.Errorf("argocd: %w", err)
	}
	v := &Values{c: c, dir: dir}
	_, err = v.git(ctx, "clone", "--quiet", "--depth=1", "--single-branch", "--branch="+c.Branch, "--", c.Repository, ".")
	if err == nil {
		_, err = v.Size(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Close removes the clone.
func (v *Values) Close() error { return os.RemoveAll(v.dir) }

// git runs a command in the clone. It never asks a person for anything.
func (v *Values) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = v.dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME="+v.c.Author, "GIT_AUTHOR_EMAIL="+v.c.Email, "GIT_COMMITTER_NAME="+v.c.Author, "GIT_COMMITTER_EMAIL="+v.c.Email)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("argocd: git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// update makes the clone what the branch is now.
func (v *Values) update(ctx context.Context) error {
	if _, err := v.git(ctx, "fetch", "--quiet", "--depth=1", "origin", "refs/heads/"+v.c.Branch); err != nil {
		return err
	}
	_, err := v.git(ctx, "reset", "--quiet", "--hard", "FETCH_HEAD")
	return err
}

// Size reads the newest commit of the branch.
func (v *Values) Size(ctx context.Context) (scaler.Size, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.update(ctx); err != nil {
		return scaler.Size{}, err
	}
	_, size, err := v.read()
	return size, err
}

func (v *Values) path() string { return filepath.Join(v.dir, v.c.File) }

// read gives the file's text and the size in it.
func (v *Values) read() (text string, size scaler.Size, err error) {
	b, err := os.ReadFile(v.path())
	if err != nil {
		return "", size, fmt.Errorf("argocd: %w", err)
	}
	text = string(b)
	l, err := locate(text, keysOf(v.c.Copies))
	if err == nil {
		size.Copies, err = l.scalar.copies()
	}
	if err == nil && v.c.Cores != "" {
		if l, err = locate(text, keysOf(v.c.Cores)); err == nil {
			size.Cores, err = l.scalar.cores()
		}
	}
	if err != nil {
		return "", size, fmt.Errorf("argocd: %s: %w", v.c.File, err)
	}
	return text, size, nil
}

// races is how often a push is tried anew when somebody else has pushed something in between.
const races = 5

// Resize commits the new size and pushes. Commits of others to the branch are no conflict, unless they change the size.
func (v *Values) Resize(ctx context.Context, c scaler.Change) error {
	if c.To.Cores != 0 && v.c.Cores == "" {
		return fmt.Errorf("argocd: Cores says nowhere to set %g cores", c.To.Cores)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var pushed error
	for range races {
		if err := v.update(ctx); err != nil {
			return err
		}
		text, now, err := v.read()
		switch {
		case err != nil:
			return err
		case now == c.To:
			return nil
		case now != c.From:
			return fmt.Errorf("argocd: %s has %s, not %s: %w", v.c.File, now, c.From, scaler.ErrConflict)
		}
		if err := v.commit(ctx, text, c); err != nil {
			return err
		}
		out, err := v.git(ctx, "push", "--quiet", "origin", "HEAD:refs/heads/"+v.c.Branch)
		if err == nil {
			return nil
		}
		pushed = err
		if !strings.Contains(out, "fetch first") && !strings.Contains(out, "non-fast-forward") && !strings.Contains(out, "cannot lock ref") {
			return err
		}
	}
	return pushed
}

func (v *Values) commit(ctx context.Context, text string, c scaler.Change) error {
	set := func(path, number string) error {
		l, err := locate(text, keysOf(path))
		if err == nil {
			text, err = l.replace(text, number)
		}
		return err
	}
	if err := set(v.c.Copies, strconv.Itoa(c.To.Copies)); err != nil {
		return err
	}
	if v.c.Cores != "" {
		l, err := locate(text, keysOf(v.c.Cores))
		if err != nil {
			return err
		}
		if err := set(v.c.Cores, l.scalar.coresLike(c.To.Cores)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(v.path(), []byte(text), 0o644); err != nil {
		return fmt.Errorf("argocd: %w", err)
	}
	_, err := v.git(ctx, "commit", "--quiet", "--no-verify", "-m", fmt.Sprintf("Scale from %s to %s", c.From, c.To), "-m", c.Why, "--", v.c.File)
	return err
}
