package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/onceflow/onceflow"

// may lists, for each package of the root module, the packages of ours that its production code may import. A package
// that is not listed fails, so a new one gets a decision.
var may = map[string][]string{
	"":         nil,
	"stream":   {"stream/record", "stream/stage", "stream/driver", "stream/internal/lane", "stream/internal/reasons", "stream/internal/several", "stream/internal/guard", "internal/eventclock", "internal/retry", "internal/terminal", "internal/when"},
	"sink":     {"stream/record", "stream/driver", "sink/codec", "sink/driver", "sink/manifest", "sink/escape", "sink/format", "internal/ledger", "internal/env", "internal/eventclock", "internal/steady", "internal/when", "internal/retry", "internal/tail"},
	"seal":     {"sink", "sink/manifest", "stream/record", "stream/driver"},
	"dedup":    {"stream/record", "stream/stage", "internal/retry"},
	"join":     {"stream/record", "stream/stage"},
	"scaler":   {"internal/retry"},
	"examples": {"*"},
	"internal": {"*"},

	// The pure core of package sink. It lies here and not below sink, since the simulator judges by it.
	"internal/ledger": {"stream/record", "stream/driver", "internal/sourcename", "internal/when"},

	"sink/delivery/deliverytest": {"sink", "sink/codec", "sink/delivery", "sink/format", "sink/sinktest", "stream/driver", "stream/record", "internal/env"},
	"sink/delivery/postgres":     {"sink/delivery"},
	"sink/delivery/webhook":      {"sink/delivery", "sink/manifest"},
	"sink/delivery/keyvalue":     {"sink/delivery"},
	"sink/delivery/redis":        {"sink/delivery/keyvalue"},

	"sink/bykey": {"sink", "sink/driver", "sink/escape", "sink/format", "sink/manifest", "sink/internal/content", "sink/internal/files", "sink/internal/retry", "stream/driver", "internal/env"},

	"sink/delivery": {"sink", "sink/format", "sink/manifest", "sink/internal/content", "sink/internal/retry", "stream/driver", "internal/env", "internal/retry", "internal/tail", "internal/terminal"},

	"sink/driver":   {"sink/escape", "stream/driver"},
	"sink/manifest": nil,
	"sink/sinktest": {"sink", "sink/driver", "stream/record", "stream/driver"},
	"sink/file":     {"sink/driver"},
	"sink/s3":       {"sink/driver", "internal/gather", "internal/retry", "internal/steady"},
	"sink/gcs":      {"sink/driver", "internal/retry", "internal/steady"},
	"sink/azure":    {"sink/driver", "internal/gather", "internal/retry", "internal/steady"},
	"sink/avro":     {"sink/format"},
	"sink/parquet":  {"sink/format"},
	"sink/codec":    nil,
	"sink/escape":   nil,
	"sink/format":   {"stream/record", "stream/driver"},

	"sink/sinktest/example": {"sink/driver"},

	"sink/audit":           {"sink", "stream/record", "stream/stage", "sink/driver", "sink/codec", "sink/internal/retry", "internal/env", "internal/retry", "internal/steady", "internal/when"},
	"sink/audit/audittest": {"sink/audit"},
	"sink/audit/dynamodb":  {"sink/audit"},
	"sink/audit/postgres":  {"sink/audit"},
	"sink/audit/kafka":     {"sink/audit", "internal/retry"},
	"sink/audit/kinesis":   {"sink/audit", "internal/retry"},

	// The doors: what passes, what a stage is, what a source and an output are. Only users import package stream itself.
	"stream/record": nil,
	"stream/stage":  {"stream/record", "internal/when"},
	"stream/driver": {"stream/record", "internal/sourcename"},

	// The rooms of the engine.
	"stream/internal/lane":    {"stream/record", "stream/stage", "stream/driver", "stream/internal/reasons", "internal/eventclock", "internal/when"},
	"stream/internal/several": {"stream/record", "stream/driver", "internal/sourcename", "internal/retry"},
	"stream/internal/reasons": {"stream/record", "stream/stage"},
	"stream/internal/guard":   {"stream/record", "stream/stage"},

	"stream/file":       {"stream/record", "stream/driver", "internal/retry", "internal/when"},
	"stream/kafka":      {"stream/record", "stream/driver", "internal/limits", "internal/retry"},
	"stream/kinesis":    {"stream/record", "stream/driver", "internal/limits", "internal/lineage", "internal/retry", "internal/when"},
	"stream/enrich":     {"stream/record", "stream/stage", "stream/internal/guard", "internal/retry"},
	"stream/merge":      {"stream/record", "stream/driver", "stream/internal/several", "internal/sourcename"},
	"stream/sample":     {"stream/record", "stream/stage"},
	"stream/window":     {"stream/record", "stream/stage"},
	"stream/workers":    {"stream/record", "stream/stage", "stream/internal/guard", "internal/retry"},
	"stream/streamtest": {"stream/record", "stream/stage", "stream/driver"},

	// What is told of a job, and of all that may stand around it.
	"stream/metrics":    {"stream", "stream/record", "stream/driver", "stream/workers", "dedup", "sink", "sink/driver", "sink/delivery", "sink/audit", "scaler"},
	"stream/prometheus": {"stream/metrics"},
	"stream/otel":       {"stream", "stream/metrics"},
	"stream/monitor":    {"stream", "stream/record", "stream/driver", "stream/metrics", "sink"},

	"stream/workers/workerstest": {"stream/workers", "stream/record"},

	"dedup/deduptest": {"dedup", "stream/record"},
	"dedup/dynamodb":  {"dedup", "stream/record", "internal/env", "internal/retry", "internal/steady", "dedup/internal/buckets"},
	"dedup/pebble":    {"dedup", "stream/record"},
	"dedup/redis":     {"dedup", "stream/record", "dedup/internal/buckets"},

	"scaler/calendar":   {"scaler"},
	"scaler/dynamic":    {"scaler"},
	"scaler/kafka":      {"scaler"},
	"scaler/prometheus": {"scaler"},
	"scaler/kubernetes": {"scaler"},
	"scaler/argocd":     {"scaler"},
	"scaler/keda":       {"scaler", "scaler/keda/externalscaler"},

	"scaler/keda/externalscaler": nil,
	"scaler/kubernetes/example":  {"scaler", "scaler/calendar", "scaler/kubernetes"},
}

// testing packages are for tests of ours and of users; production code never imports them.
var testOnly = []string{"testing", "github.com/stretchr/testify", "go.uber.org/goleak"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// rel is the path below the module; ok is false for packages of others.
func rel(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// rule is what p may import. Packages inside a package (p/internal/...) follow p's rule and may import each other.
func rule(p string) (allowed []string, root string, ok bool) {
	if r, ok := may[p]; ok {
		return r, p, true
	}
	for _, top := range []string{"examples", "internal"} {
		if strings.HasPrefix(p, top+"/") {
			return may[top], p, true
		}
	}
	if i := strings.Index(p, "/internal/"); i >= 0 {
		r, ok := may[p[:i]]
		return r, p[:i], ok
	}
	return nil, "", false
}

func isTest(p string) bool { return strings.HasSuffix(p, "test") }

func TestNoImportGoesUpOrSideways(t *testing.T) {
	for _, p := range list(t) {
		self, ours := rel(p.ImportPath)
		if !ours {
			continue
		}
		allowed, root, listed := rule(self)
		if !listed {
			t.Errorf("package %q is not in the list of layers: decide what it may import", self)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := rel(imp)
			if !ours || slices.Contains(allowed, "*") || slices.Contains(allowed, to) {
				continue
			}
			if to == root || strings.HasPrefix(to, root+"/internal/") {
				continue
			}
			t.Errorf("%s imports %s; it may import %q", self, to, allowed)
		}
	}
}

func TestProductionCodeNeverImportsTestingCode(t *testing.T) {
	for _, p := range list(t) {
		self, _ := rel(p.ImportPath)
		if isTest(self) || strings.HasPrefix(self, "internal/") {
			continue
		}
		for _, imp := range p.Imports {
			to, ours := rel(imp)
			if ours && isTest(to) {
				t.Errorf("%s imports %s", self, to)
			}
			for _, banned := range testOnly {
				if imp == banned || strings.HasPrefix(imp, banned+"/") {
					t.Errorf("%s imports %s", self, imp)
				}
			}
		}
	}
}

func TestScalerAloneNeedsTheStandardLibraryOnly(t *testing.T) {
	imports := make(map[string][]string)
	for _, p := range list(t) {
		imports[p.ImportPath] = p.Imports
	}
	seen := make(map[string]bool)
	for todo := []string{module + "/scaler"}; len(todo) > 0; {
		p := todo[0]
		todo = todo[1:]
		for _, imp := range imports[p] {
			if _, ours := rel(imp); ours && !seen[imp] {
				seen[imp] = true
				todo = append(todo, imp)
			} else if first, _, _ := strings.Cut(imp, "/"); !ours && strings.Contains(first, ".") {
				t.Errorf("%s, which scaler needs, imports %s", p, imp)
			}
		}
	}
}

func TestTopLevelIsAsTheDesignSays(t *testing.T) {
	want := []string{
		"stream", "sink", "seal", "dedup", "join", "scaler", "examples", "internal", "docs",
		"doc.go", "go.mod", "go.sum", "go.work", "go.work.sum", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile",
	}
	out, err := exec.Command("git", "-C", filepath.Join("..", ".."), "ls-files").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for f := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(f), "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(want, top) {
			t.Errorf("%s is at the top level", top)
		}
	}
}
