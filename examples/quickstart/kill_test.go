package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/examples/internal/quick"
)

// build makes the program once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "quickstart-*")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "quickstart")
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if name, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(code)
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	name, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return cmd
}

func said(cmd *exec.Cmd) string { return fmt.Sprintf("%s%s", cmd.Stdout, cmd.Stderr) }

// rows counts IDs by flow and hour: "views 2025-05-01T06 <id>".
type rows map[string]int

// input reads the clickstream with nothing of ours, and counts what the output should hold.
func input(t *testing.T, dir string) (want rows, dead int) {
	t.Helper()
	want = rows{}
	for _, name := range must(filepath.Glob(filepath.Join(dir, "*.ndjson"))) {
		f := must(os.Open(name))
		defer f.Close()
		for sc := bufio.NewScanner(f); sc.Scan(); {
			var c struct{ ID, Time, Kind string }
			at, err := time.Time{}, json.Unmarshal(sc.Bytes(), &c)
			if err == nil {
				at, err = time.Parse(time.RFC3339, c.Time)
			}
			switch {
			case err != nil || at.Year() != 2025:
				dead++
			case c.Kind != "ping":
				want[c.Kind+"s "+at.Format("2006-01-02T15 ")+c.ID]++
			}
		}
	}
	return want, dead
}

// output reads what is visible in the folder, with nothing of ours.
func output(t *testing.T, dir string) rows {
	t.Helper()
	got := rows{}
	for _, flow := range []string{"views", "clicks"} {
		for _, name := range must(filepath.Glob(filepath.Join(dir, flow, "day=*", "hour=*", "*.jsonl.gz"))) {
			f := must(os.Open(name))
			z := must(gzip.NewReader(f))
			hour := filepath.Base(filepath.Dir(name))
			day := filepath.Base(filepath.Dir(filepath.Dir(name)))
			for d := json.NewDecoder(z); ; {
				var c struct {
					ID   string
					Time time.Time
				}
				if err := d.Decode(&c); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if c.Time.Format("day=2006-01-02 hour=15") != day+" "+hour {
					t.Errorf("%s holds an event of %v", name, c.Time)
				}
				got[flow+c.Time.Format(" 2006-01-02T15 ")+c.ID]++
			}
			z.Close()
			f.Close()
		}
	}
	return got
}

// check compares the folder with an independent count of its input, and lets the independent checker look at it.
func check(t *testing.T, out string, cmd *exec.Cmd) {
	t.Helper()
	want, dead := input(t, out+"-input")
	got := output(t, out)
	if !maps.Equal(got, want) {
		missing, more := 0, 0
		for k := range want {
			missing += max(0, want[k]-got[k])
		}
		for k := range got {
			more += max(0, got[k]-want[k])
		}
		t.Errorf("%s: %d rows are missing, %d are too many, of %d\n%s", out, missing, more, len(want), said(cmd))
	}
	if s := fmt.Sprintf(" %s dead ", quick.Digits(int64(dead))); !strings.Contains(said(cmd), s) {
		t.Errorf("%s: the program should count %s: %s", out, s, said(cmd))
	}
	for _, flow := range []string{"views", "clicks"} {
		if seals := must(filepath.Glob(filepath.Join(out, flow, "day=*", "hour=*", "_SEALED"))); len(seals) != 3 {
			t.Errorf("%s: %d hours of %s are sealed, want 3", out, len(seals), flow)
		}
	}
	verify(t, out)
}

func verify(t *testing.T, out string) {
	t.Helper()
	if _, err := os.Stat("../verify"); err != nil {
		t.Log("examples/verify is not there")
		return
	}
	if said, err := exec.Command("go", "run", "../verify", out).CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, said)
	}
}

// A real process is killed at random moments, goes on, and ends with the rows that an independent count of its input
// says. Every third is asked to end a moment before, so that the kill meets its last commit. ONCEFLOW_KILLS makes it more
// than 25.
func TestKilledProcessEndsWithTheSameRows(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("ONCEFLOW_KILLS"))
	if err != nil {
		kills = 25
		if testing.Short() {
			kills = 5
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	midway := 0 // kills of a job that had committed something
	more := func() bool { return kills > 0 || midway == 0 }
	for round := uint64(1); more(); round++ {
		out := filepath.Join(t.TempDir(), "out")
		args := []string{"-out", out, "-seed", fmt.Sprint(round), "-events", "120000", "-commit", "50ms"}
		took := 300 * time.Millisecond // of the whole, until a run tells
		for done := false; !done; {
			cmd := program(t, args...)
			begin := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var alarm *time.Timer
			if more() {
				at := time.Duration(rnd.Int64N(int64(took)))
				if kills%3 == 0 {
					ask := time.AfterFunc(at, func() { cmd.Process.Signal(os.Interrupt) })
					defer ask.Stop()
					at += time.Duration(rnd.Int64N(int64(30 * time.Millisecond)))
				}
				alarm = time.AfterFunc(at, func() { cmd.Process.Kill() })
			}
			err := cmd.Wait()
			killed := alarm != nil && !alarm.Stop() && err != nil
			switch {
			case killed && strings.Contains(err.Error(), "killed"):
				kills--
				if len(must(filepath.Glob(filepath.Join(out, "_onceflow", "*", "e0001", "s0000", "0*")))) > 0 {
					midway++
				} else {
					took += took / 4 // a busy machine: all kills once came before the first commit
				}
			case alarm != nil && err != nil && err.Error() == "signal: interrupt":
				// A busy machine: it was told to end before it listened to that, which is as good as a kill, and not midway.
				kills--
				took += took / 4
			case err != nil:
				t.Fatalf("%v\n%s", err, said(cmd))
			case strings.Contains(said(cmd), "Stopped "): // it was faster than the kill
			default:
				took = max(took, time.Since(begin))
				done = true
				check(t, out, cmd)
			}
		}
		t.Logf("round %d: %d kills are left, %d came midway", round, max(0, kills), midway)
	}
}

func TestTwoProcessesOnOneFolderDoNoHarm(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	var cmds []*exec.Cmd
	for range 2 {
		cmd := program(t, "-out", out, "-events", "120000", "-commit", "50ms")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, said(cmd))
		}
	}
	check(t, out, cmds[0])
}

func TestFinishedFolderIsLeftAsItIs(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"-out", out, "-events", "200000"}
	first := program(t, args...)
	if err := first.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said(first))
	}
	if most := peak(first.ProcessState); most > 256<<20 {
		t.Errorf("the process took %d bytes of memory, 256 MiB are promised", most)
	}
	before := list(t, out)
	again := program(t, args...)
	if err := again.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said(again))
	}
	for _, name := range list(t, out) {
		if !slices.Contains(before, name) {
			t.Errorf("the second run wrote %s", name)
		}
	}
	check(t, out, again)
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
