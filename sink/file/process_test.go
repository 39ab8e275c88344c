package file_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/file"
)

const entries = 60

func key(i int) string { return fmt.Sprintf("flow/hour=%02d/%06d", i%24, i) }

func entryKey(i int) string { return fmt.Sprintf("_onceflow/job/s0000/%020d", i) }

// entryBody is long enough for a writer to be killed in the middle of it.
func entryBody(i int, who string) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d %s\n", i, who), 2000)
}

// Processes that append to one ledger and are killed at any moment: each entry has one winner and is whole, a closed file
// can be published by who comes next, and what is left over can be removed.
func TestKilledProcessesLeaveNothingHalf(t *testing.T) {
	dir := t.TempDir()
	won := map[int]string{}
	var refs [][]byte
	var mu sync.Mutex
	var wg sync.WaitGroup
	for p := range 6 {
		who := fmt.Sprint("p", p)
		killAfter := 8 * (p + 1) // lines; all but the last process are killed
		wg.Go(func() {
			child(t, dir, who, func(line string, n int) bool {
				mu.Lock()
				defer mu.Unlock()
				switch kind, rest, _ := strings.Cut(line, " "); kind {
				case "won":
					i, err := strconv.Atoi(rest)
					if other, ok := won[i]; ok || err != nil {
						t.Errorf("entry %q was won by %s and %s", rest, other, who)
					}
					won[i] = who
				case "closed":
					refs = append(refs, []byte(rest))
				default:
					t.Errorf("%s says %q", who, line)
				}
				return p < 5 && n >= killAfter
			})
		})
	}
	wg.Wait()

	s := open(t, dir, nil)
	for i := range entries {
		got, err := s.Read(t.Context(), entryKey(i), 1<<20)
		who, _, _ := strings.Cut(strings.TrimPrefix(string(got), fmt.Sprint(i, " ")), "\n")
		if err != nil || !bytes.Equal(got, entryBody(i, who)) {
			t.Errorf("entry %d: got %d bytes by %q, %v, want all of them", i, len(got), who, err)
		}
		if w, ok := won[i]; ok && w != who {
			t.Errorf("entry %d: %s was told that it won, it is by %s", i, w, who)
		}
	}
	for _, ref := range refs {
		if err := s.Publish(t.Context(), ref); err != nil {
			t.Errorf("Publish of what was closed: %v", err)
		}
	}
	if len(refs) == 0 || len(won) < entries-5 {
		t.Errorf("%d entries won, %d files closed: the test tested nothing", len(won), len(refs))
	}
	sweep(t, s, dir)
}

// sweep removes what the killed left, and checks that then nothing is left but what is published.
func sweep(t *testing.T, s *file.Store, dir string) {
	t.Helper()
	before := list(t, s)
	for st, err := range s.Staged(t.Context()) {
		if err == nil {
			err = s.Discard(t.Context(), st)
		}
		if err != nil {
			t.Errorf("sweep: %v", err)
		}
	}
	temp := filepath.Join(dir, "_onceflow", ".staging", "tmp")
	old := time.Now().Add(-2 * time.Hour)
	left, err := os.ReadDir(temp)
	for _, e := range left {
		err = errors.Join(err, os.Chtimes(filepath.Join(temp, e.Name()), old, old))
	}
	if err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
	err = filepath.WalkDir(filepath.Dir(temp), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("left in staging: %s", path)
		}
		return err
	})
	if after := list(t, s); err != nil || !slices.Equal(after, before) {
		t.Errorf("the sweep changed the objects: got %d, %v, want %d", len(after), err, len(before))
	}
}

// child runs a process and gives each line that it prints to say, with its number, until that returns true: then it kills
// the process.
func child(t *testing.T, dir, who string, say func(line string, n int) bool) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "FILE_TEST_DIR="+dir, "FILE_TEST_WHO="+who)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	lines := bufio.NewReader(out)
	killed := false
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil { // a line without end was not said
			break
		}
		if say(strings.TrimSuffix(line, "\n"), n) && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); (err != nil) != killed {
		t.Errorf("%s: got %v, killed: %v", who, err, killed)
	}
}

// TestMain is also the child's main.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FILE_TEST_DIR"); dir != "" {
		if err := appendAndStage(dir, os.Getenv("FILE_TEST_WHO"), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// appendAndStage appends entries and stages files, and says so after each.
func appendAndStage(dir, who string, out io.Writer) error {
	ctx := context.Background()
	s, err := file.Open(dir, nil)
	if err != nil {
		return err
	}
	for i := range entries {
		switch err := s.Create(ctx, entryKey(i), entryBody(i, who)); {
		case err == nil:
			fmt.Fprintln(out, "won", i)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
		up, err := s.Stage(ctx, key(i)+"-"+who+strings.Repeat("x", 100), "o", 0)
		if err != nil {
			return err
		}
		ref, err := fill(ctx, up)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "closed %s\n", ref)
		if i%2 == 0 {
			if err := s.Publish(ctx, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

func fill(ctx context.Context, up driver.Upload) ([]byte, error) {
	for range 4 {
		if _, err := up.Write(bytes.Repeat([]byte("row\n"), 5000)); err != nil {
			return nil, err
		}
	}
	return up.Close(ctx)
}
