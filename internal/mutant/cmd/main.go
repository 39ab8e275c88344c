// Command cmd plants each known mistake and runs the tests that should notice it. It fails if one survives.
//
//	go run ./internal/mutant/cmd
//	go run ./internal/mutant/cmd -run 'T36|T03' -v
//
// To make a mistake in another program:
//
//	go run ./internal/mutant/cmd -overlay /tmp/mistakes
//	ONCEFLOW_MUTANT=T36a go run -overlay /tmp/mistakes/overlay.json ./internal/sim/cmd/sim
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	run := flag.String("run", "", "only the mistakes that match")
	limit := flag.Duration("limit", 5*time.Minute, "time for one package with one mistake; a test that hangs has noticed it")
	parallel := flag.Int("parallel", 2, "how many to run at once")
	verbose := flag.Bool("v", false, "print what the tests print")
	dir := flag.String("overlay", "", "write the overlay into this folder and end; see go help build")
	flag.Parse()
	if *dir != "" {
		if err := writeOverlay(*dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	r := &runner{limit: *limit, verbose: *verbose, filter: regexp.MustCompile(*run)}
	survivors, err := r.all(*parallel)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

// runner holds the test binaries, which are built once.
type runner struct {
	limit   time.Duration
	verbose bool
	filter  *regexp.Regexp

	root    string
	dir     string
	overlay string
	mu      sync.Mutex
}

func (r *runner) all(parallel int) (survivors int, err error) {
	if r.root, err = root(); err != nil {
		return 0, err
	}
	if r.dir, err = os.MkdirTemp("", "mutants"); err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(r.dir) }()
	known := planted()
	var chosen []mutant
	var tests []string
	for _, m := range mutants {
		if r.filter.MatchString(m.id) {
			if !known[m.id] {
				return 0, fmt.Errorf("no edit asks for %s", m.id)
			}
			chosen = append(chosen, m)
			tests = append(tests, m.tests...)
		}
	}
	slices.Sort(tests)
	if r.overlay, err = overlay(r.root, r.dir); err != nil {
		return 0, err
	}
	if err := r.build(slices.Compact(tests)); err != nil {
		return 0, err
	}
	caught := 0
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, m := range chosen {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if r.plant(m) {
				r.mu.Lock()
				caught++
				r.mu.Unlock()
			}
		})
	}
	wg.Wait()
	fmt.Printf("caught %d of %d\n", caught, len(chosen))
	return len(chosen) - caught, nil
}

// overlay writes the code with all mistakes into dir and returns the file that tells the go command of it.
func overlay(root, dir string) (string, error) {
	texts, err := readSources(root)
	if err != nil {
		return "", err
	}
	changed, err := texts.apply(edits)
	if err != nil {
		return "", err
	}
	return changed.write(root, dir)
}

func writeOverlay(dir string) error {
	root, err := root()
	if err == nil {
		_, err = overlay(root, dir)
	}
	return err
}

// root is the folder of the module.
func root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// build compiles the tests with the mistakes in them, and makes sure that they pass as long as none is planted.
func (r *runner) build(tests []string) error {
	built := map[string]bool{}
	for _, t := range tests {
		p, match, _ := strings.Cut(t, "#")
		if !built[p] {
			built[p] = true
			c := exec.Command("go", "test", "-c", "-overlay", r.overlay, "-o", r.binary(p), "./"+p)
			c.Dir = r.root
			if out, err := c.CombinedOutput(); err != nil {
				return fmt.Errorf("build the tests of %s: %w\n%s", p, err, out)
			}
		}
		out, ok := r.test(p, match, "")
		if !ok || strings.Contains(string(out), "no tests to run") {
			return fmt.Errorf("the tests of %s fail, or there are none, though no mistake is planted:\n%s", t, out)
		}
	}
	return nil
}

func (r *runner) binary(p string) string {
	return filepath.Join(r.dir, strings.ReplaceAll(p, "/", "_")+".test")
}

// test runs those tests of a package whose names match, and reports whether they pass.
func (r *runner) test(p, match, id string) (out []byte, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limit)
	defer cancel()
	c := exec.CommandContext(ctx, r.binary(p), "-test.failfast", "-test.short", "-test.run", match)
	c.Dir = filepath.Join(r.root, filepath.FromSlash(p))
	c.Env = append(os.Environ(), "ONCEFLOW_MUTANT="+id)
	out, err := c.CombinedOutput()
	return out, err == nil
}

// plant runs the tests that should notice m, and reports whether one does.
func (r *runner) plant(m mutant) bool {
	began := time.Now()
	for _, t := range m.tests {
		p, match, _ := strings.Cut(t, "#")
		out, ok := r.test(p, match, m.id)
		if ok {
			continue
		}
		r.report(m, fmt.Sprintf("caught by %s in %.1f s", t, time.Since(began).Seconds()), out)
		return true
	}
	r.report(m, "SURVIVES "+strings.Join(m.tests, ", "), nil)
	return false
}

func (r *runner) report(m mutant, what string, out []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Printf("%-5s %-75s %s\n", m.id, m.what, what)
	if r.verbose {
		fmt.Printf("%s\n", out)
	}
}
