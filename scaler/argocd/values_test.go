package argocd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/scaler"
)

const valuesFile = `# values of the etl
image: "etl:1" # replicaCount: 99
other:
  replicaCount: 1
etl:
  # how many copies run
  replicaCount:   4   # the scaler sets this
  resources:
    requests: {memory: 1Gi}
    cpu: '500m'
`

// repository is a bare repository with a values file, and a person's clone of it.
type repository struct {
	*testing.T
	url, clone string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs the program git")
	}
	r := &repository{t, filepath.Join(t.TempDir(), "etl.git"), filepath.Join(t.TempDir(), "clone")}
	r.git("", "init", "--quiet", "--bare", "--initial-branch=main", r.url)
	r.git("", "clone", "--quiet", r.url, r.clone)
	r.git(r.clone, "checkout", "--quiet", "-b", "main")
	r.commit("chart/values.yaml", valuesFile)
	return r
}

func (r *repository) git(dir string, args ...string) string {
	r.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=p", "GIT_AUTHOR_EMAIL=p@x", "GIT_COMMITTER_NAME=p", "GIT_COMMITTER_EMAIL=p@x")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

// commit is a person's commit.
func (r *repository) commit(file, text string) {
	r.Helper()
	path := filepath.Join(r.clone, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
	r.git(r.clone, "add", ".")
	r.git(r.clone, "commit", "--quiet", "-m", "person")
	r.git(r.clone, "push", "--quiet", "origin", "main")
}

func (r *repository) open(edit func(*ValuesConfig)) *Values {
	r.Helper()
	c := ValuesConfig{Repository: r.url, Branch: "main", File: "chart/values.yaml", Copies: "etl.replicaCount"}
	if edit != nil {
		edit(&c)
	}
	v, err := OpenValues(r.Context(), c)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { v.Close() })
	return v
}

func TestAStepIsACommitThatChangesTheNumberAndSaysWhy(t *testing.T) {
	r := newRepository(t)
	v := r.open(func(c *ValuesConfig) { c.Cores = "etl.resources.cpu" })
	from, to := scaler.Size{Copies: 4, Cores: 0.5}, scaler.Size{Copies: 12, Cores: 1.5}
	wantSize(t, v, from)
	for range 2 {
		if err := v.Resize(t.Context(), scaler.Change{From: from, To: to, Why: "rule rush"}); err != nil {
			t.Fatal(err)
		}
	}
	wantSize(t, v, to)
	want := strings.NewReplacer("replicaCount:   4 ", "replicaCount:   12 ", "'500m'", "'1500m'").Replace(valuesFile)
	if got := r.git(r.url, "show", "main:chart/values.yaml"); got != want {
		t.Errorf("the file is\n%s\nwant\n%s", got, want)
	}
	if got, want := r.git(r.url, "log", "--format=%an|%s|%b"), "onceflow-scaler|Scale from 4 copies of 0.5 cores to 12 copies of 1.5 cores|rule rush\n\np|person|\n"; got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
}

func TestCommitsOfOthersAreNoConflictUnlessTheyChangeTheSize(t *testing.T) {
	r := newRepository(t)
	v := r.open(nil)
	// A push of somebody else between our fetch and our push: a hook of the clone makes it happen just then, once.
	hook := "#!/bin/sh\nrm -f \"$0\"\ncd " + r.clone + " && echo x >readme && git add . && git -c user.name=p -c user.email=p@x commit -qm race && git push -q origin main\n"
	if err := os.WriteFile(filepath.Join(v.dir, ".git", "hooks", "pre-push"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := v.Resize(t.Context(), scaler.Change{From: copies(4), To: copies(8), Why: "x"}); err != nil {
		t.Fatal(err)
	}
	wantSize(t, v, copies(8))
	if log := r.git(r.url, "log", "--format=%s"); !strings.HasPrefix(log, "Scale from 4 copies to 8 copies\nrace\nperson") {
		t.Errorf("the log is %q, want the scaler's commit on top of the other one", log)
	}
	r.git(r.clone, "pull", "--quiet", "origin", "main")
	r.commit("chart/values.yaml", strings.Replace(valuesFile, "  4 ", "  6 ", 1))
	if err := v.Resize(t.Context(), scaler.Change{From: copies(8), To: copies(9)}); !errors.Is(err, scaler.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
	wantSize(t, v, copies(6))
}

func TestAPushThatIsRefusedIsReportedAndLeavesNothing(t *testing.T) {
	r := newRepository(t)
	v := r.open(nil)
	hook := "#!/bin/sh\necho protected >&2; exit 1\n"
	if err := os.WriteFile(filepath.Join(r.url, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := v.Resize(t.Context(), scaler.Change{From: copies(4), To: copies(8)}); err == nil || !strings.Contains(err.Error(), "protected") {
		t.Errorf("%v, want the refusal and its reason", err)
	}
	wantSize(t, v, copies(4))
}

func TestOpenValuesRefusesWhatCannotBe(t *testing.T) {
	r := newRepository(t)
	for want, edit := range map[string]func(*ValuesConfig){
		"needs a repository":     func(c *ValuesConfig) { c.Copies = "" },
		"is not a path in the":   func(c *ValuesConfig) { c.File = "../values.yaml" },
		"not found":              func(c *ValuesConfig) { c.Branch = "nobody" },
		"no such file":           func(c *ValuesConfig) { c.File = "values.yaml" },
		"no number at replicas":  func(c *ValuesConfig) { c.Copies = "replicas" },
		"is not a number of cop": func(c *ValuesConfig) { c.Copies = "etl.resources.cpu" },
		"does not exist":         func(c *ValuesConfig) { c.Repository = r.url + "x" },
		"is not a plain number":  func(c *ValuesConfig) { c.Copies = "etl.resources.requests" },
	} {
		c := ValuesConfig{Repository: r.url, Branch: "main", File: "chart/values.yaml", Copies: "etl.replicaCount"}
		edit(&c)
		if _, err := OpenValues(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
