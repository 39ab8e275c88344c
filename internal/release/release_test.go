package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The repository of these tests: a root, a module that requires it, and two programs that require both, of which one is not released.
func small(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, map[string]string{
		"go.mod":                   "module github.com/onceflow/small\n\ngo 1.26.0\n",
		"small.go":                 "// Package small is small.\npackage small\n\n// One is 1.\nfunc One() int { return 1 }\n",
		"LICENSE":                  "free\n",
		"go.work":                  "go 1.26.0\n\nuse (\n\t.\n\t./more\n\t./examples/both\n\t./internal/outside\n)\n\nreplace (\n\tgithub.com/onceflow/small v0.0.0 => ./\n\tgithub.com/onceflow/small/more v0.0.0 => ./more\n)\n",
		"more/go.mod":              "module github.com/onceflow/small/more\n\ngo 1.26.0\n\nrequire github.com/onceflow/small v0.0.0\n",
		"more/more.go":             "// Package more has more.\npackage more\n\nimport \"github.com/onceflow/small\"\n\n// Two is 2.\nfunc Two() int { return 2 * small.One() }\n",
		"examples/both/go.mod":     "module github.com/onceflow/small/examples/both\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/onceflow/small v0.0.0\n\tgithub.com/onceflow/small/more v0.0.0\n)\n",
		"examples/both/main.go":    "package main\n\nimport (\n\t\"fmt\"\n\n\t\"github.com/onceflow/small\"\n\t\"github.com/onceflow/small/more\"\n)\n\nfunc main() { fmt.Println(small.One() + more.Two()) }\n",
		"internal/outside/go.mod":  "module github.com/onceflow/small/internal/outside\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/onceflow/small v0.0.0\n\tgithub.com/onceflow/small/more v0.0.0\n)\n",
		"internal/outside/main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\t\"github.com/onceflow/small\"\n\t\"github.com/onceflow/small/more\"\n)\n\nfunc main() { fmt.Println(\"outside\", small.One(), more.Two()) }\n",
	})
	git(t, root, "init", "-q", "-b", "main")
	commit(t, root)
	return root
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func git(t *testing.T, root string, args ...string) string {
	t.Helper()
	out, err := output(t.Context(), root, nil, "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func commit(t *testing.T, root string) {
	t.Helper()
	git(t, root, "add", "-A")
	git(t, root, "commit", "-q", "-m", "change")
}

func prepare(t *testing.T, root, version string) *Release {
	t.Helper()
	r, err := Prepare(t.Context(), Options{Root: root, Version: version, Dir: t.TempDir(), Modules: t.TempDir(), Others: "off", Say: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestModulesStandBehindThoseThatTheyNeed(t *testing.T) {
	all, err := Modules(t.Context(), small(t))
	if err != nil {
		t.Fatal(err)
	}
	at := make(map[string]int)
	for i, m := range all {
		at[m.Dir] = i
	}
	if len(all) != 4 || at["."] > at["more"] || at["more"] > at["examples/both"] {
		t.Errorf("order %v, want the root before more before examples/both, and all four", all)
	}
}

func TestModulesThatNeedEachOtherAreRefused(t *testing.T) {
	_, err := sorted([]Module{{Path: "a", Needs: []string{"b"}}, {Path: "b", Needs: []string{"a"}}})
	if err == nil {
		t.Error("a needs b needs a, and no error")
	}
}

// Before there was a release, no module beside the root could be installed: they required a version that nobody publishes.
func TestAProgramOutsideGetsEveryModuleOfARelease(t *testing.T) {
	root := small(t)
	r := prepare(t, root, "v0.1.0")
	got, err := r.Outside(t.Context(), filepath.Join(root, "internal", "outside"), filepath.Join(t.TempDir(), "outside"), t.Output())
	if err != nil || got != "outside 1 2\n" {
		t.Errorf("printed %q, %v, want outside 1 2", got, err)
	}
	if got := strings.Fields(git(t, r.Clone, "tag")); len(got) != 3 {
		t.Errorf("tags %q, want those of the root, more and examples/both", got)
	}
	if got := strings.Fields(git(t, r.Clone, "rev-parse", "v0.1.0^{commit}", "more/v0.1.0^{commit}", "examples/both/v0.1.0^{commit}", "HEAD")); got[0] != got[3] || got[1] != got[3] || got[2] != got[3] {
		t.Errorf("tags at %q, want all at HEAD", got)
	}
	if got := git(t, root, "tag") + git(t, root, "status", "--porcelain"); got != "" {
		t.Errorf("the checkout has %q, want it untouched", got)
	}
}

// The second try of a version failed at files that had been removed since the first: the go command's index still had them.
func TestAVersionMayBeTriedAgainAfterAChange(t *testing.T) {
	root, cache := small(t), t.TempDir()
	try := func() {
		t.Helper()
		if _, err := Prepare(t.Context(), Options{Root: root, Version: "v0.1.0", Dir: t.TempDir(), Modules: cache, Others: "off", Say: t.Output()}); err != nil {
			t.Fatal(err)
		}
	}
	try()
	git(t, root, "mv", "small.go", "renamed.go")
	commit(t, root)
	try()
}

func TestAReleasedTreeIsStillTidyAndWorksInItsWorkspace(t *testing.T) {
	r := prepare(t, small(t), "v0.1.0")
	all, err := Modules(t.Context(), r.Clone)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if err := Tidy(t.Context(), r.Clone, all, m, true); err != nil {
			t.Error(err)
		}
	}
	both := filepath.Join(r.Clone, "examples", "both")
	if got, err := output(t.Context(), both, []string{"GOPROXY=off"}, "go", "run", "."); err != nil || got != "3\n" {
		t.Errorf("printed %q, %v, want 3", got, err)
	}
	if sums, err := os.ReadFile(filepath.Join(both, "go.sum")); err != nil || !strings.Contains(string(sums), "github.com/onceflow/small/more v0.1.0 h1:") {
		t.Errorf("go.sum is %q, %v, want the sum of more v0.1.0", sums, err)
	}
}

func TestTidyNoticesARequirementThatIsMissing(t *testing.T) {
	root := small(t)
	write(t, root, map[string]string{"more/go.mod": "module github.com/onceflow/small/more\n\ngo 1.26.0\n"})
	all, err := Modules(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if err := Tidy(t.Context(), root, all, m, true); (err == nil) != (m.Dir != "more") {
			t.Errorf("%s: %v", m.Dir, err)
		}
	}
}

func TestAVersionIsReleasedOnce(t *testing.T) {
	root := small(t)
	git(t, root, "tag", "more/v0.1.0")
	for _, version := range []string{"v0.1.0", "0.2.0", "v2.0.0", "v0.2", ""} {
		if _, err := Prepare(t.Context(), Options{Root: root, Version: version, Dir: t.TempDir(), Modules: t.TempDir(), Others: "off", Say: t.Output()}); err == nil {
			t.Errorf("version %q was prepared", version)
		}
	}
}

func TestIncompatibleChangesMustBeOwnedUpTo(t *testing.T) {
	const tool = "apidiff"
	apidiff := filepath.Join(t.TempDir(), tool)
	// The program's part is played by a script that finds what was removed from more.
	write(t, filepath.Dir(apidiff), map[string]string{tool: `#!/bin/sh
if [ "$2" = -w ]; then cat *.go > "$3"; exit; fi
if [ "$1" = -incompatible ]; then shift; fi
if ! cat *.go | cmp -s - "$2"; then echo "Incompatible changes: $3"; fi
`})
	if err := os.Chmod(apidiff, 0o755); err != nil {
		t.Fatal(err)
	}
	check := func(root string) (string, error) {
		var said strings.Builder
		err := API(t.Context(), root, apidiff, &said)
		return said.String(), err
	}
	root := small(t)
	if said, err := check(root); err != nil || !strings.Contains(said, "no release yet") {
		t.Errorf("without a release: %q, %v", said, err)
	}
	root = prepare(t, root, "v0.1.0").Clone
	if said, err := check(root); err != nil || strings.Contains(said, "Incompatible") {
		t.Errorf("nothing changed: %q, %v", said, err)
	}
	write(t, root, map[string]string{"more/more.go": "// Package more has less.\npackage more\n"})
	if said, err := check(root); err == nil || !strings.Contains(err.Error(), "small/more") || !strings.Contains(said, "Incompatible") {
		t.Errorf("more lost its function: %q, %v", said, err)
	}
	write(t, root, map[string]string{"CHANGELOG.md": "# Changes\n\n## Unreleased\n\n### Incompatible\n\n- more.Two is gone.\n\n## v0.1.0\n"})
	if _, err := check(root); err != nil {
		t.Errorf("the changelog owns up to it: %v", err)
	}
	write(t, root, map[string]string{"CHANGELOG.md": "# Changes\n\n## Unreleased\n\n## v0.1.0\n\n### Incompatible\n"})
	if _, err := check(root); err == nil {
		t.Error("only a former release owns up to something")
	}
}
