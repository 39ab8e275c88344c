package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// numbered are lines with a word, from first to below end, behind a first line that all such texts share.
func numbered(word string, end int) string {
	var b strings.Builder
	b.WriteString("first\n")
	for i := 2; i <= end; i++ {
		fmt.Fprintf(&b, "%s %d\n", word, i)
	}
	return b.String()
}

// readTo reads a file up to a line and returns the progress that a ledger would have.
func readTo(t *testing.T, c Config, o Options, last int64) (record.Partition, driver.Progress) {
	t.Helper()
	r := newReading(t, open(t, c, &o))
	var g driver.Progress
	var part record.Partition
	r.hook = func(b *driver.Batch) {
		for i := range b.Marks {
			if m := &b.Marks[i]; m.At.Sub <= last {
				part, g.Mark, g.UpTo = m.Partition, m.Text, m.At
			}
		}
		for _, rec := range b.Records {
			if rec.Position.Sub <= last {
				g.UpTo, g.Arrived = record.Position{Sub: max(g.UpTo.Sub, rec.Position.Sub)}, rec.Time
			}
		}
		g.Ended = g.Ended || len(b.Ended) > 0
	}
	ctx, stop := contextUntil(t, func() bool { return g.UpTo.Sub >= last })
	defer stop()
	for g.UpTo.Sub < last || !o.Follow && !g.Ended && last >= 150 {
		if err := r.poll(ctx, false); err != nil {
			break
		}
	}
	if g.UpTo.Sub != last || g.Mark == "" {
		t.Fatalf("read up to %v, %q, want line %d and a mark", g.UpTo, g.Mark, last)
	}
	return part, g
}

// A file that was replaced by one with the same first line was once read on from where the old one was: 100 of 150 lines of
// the new one were skipped, and nothing said so.
func TestAFileReplacedByOneThatBeginsTheSameIsNoticed(t *testing.T) {
	packs := map[string]func(string) string{"plain": func(s string) string { return s }, "gzip": gz, "zstd": func(s string) string { return zst(s) }}
	for name, pack := range packs {
		for _, c := range []struct {
			what    string
			last    int64
			pending []int64
			warm    bool
			follow  bool
			now     string
			lost    bool // else the job stops, but nothing is lost
			fine    bool
		}{
			{"in the middle", 100, nil, false, false, numbered("new", 150), true, false},
			{"in the middle, by one that is shorter", 100, nil, false, false, numbered("new", 50), true, false},
			{"in the middle, with pending lines", 100, []int64{20, 30}, false, false, numbered("new", 150), true, false},
			{"in the middle, with a warm-up", 100, nil, true, false, numbered("new", 150), true, false},
			{"after its end", 150, nil, false, false, numbered("new", 160), false, false},
			{"after its end, with pending lines", 150, []int64{20}, false, false, numbered("new", 160), true, false},
			{"in the middle, by the same", 100, []int64{20}, true, false, numbered("old", 150), false, true},
			{"in the middle, by a longer one that begins so", 100, nil, false, true, numbered("old", 300), false, true},
			{"late in the text", 100, nil, false, false, strings.Replace(numbered("old", 150), "old 100", "olD 100", 1), true, false},
			{"behind what was read", 100, nil, false, false, strings.Replace(numbered("old", 150), "old 101", "olD 101", 1), false, true},
		} {
			if c.follow && name != "plain" {
				continue
			}
			dir := folder(t, map[string]string{"f": pack(numbered("old", 150))})
			conf, o := Config{Dir: dir}, Options{Follow: c.follow, Poll: time.Millisecond}
			part, g := readTo(t, conf, o, c.last)
			g.Pending = pendingSet(c.pending...)
			path := filepath.Join(dir, "f")
			put(t, path, pack(c.now))
			if err := os.Chtimes(path, time.Time{}, g.Arrived.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			r := newReading(t, open(t, conf, &o))
			r.progress[part] = g
			wanted := len(c.pending) + strings.Count(c.now, "\n") - int(c.last)
			ctx, stop := contextUntil(t, func() bool { return c.fine && len(r.got) >= wanted })
			var err error
			for err == nil {
				err = r.poll(ctx, c.warm)
			}
			stop()
			what := fmt.Sprintf("%s, %s", name, c.what)
			switch {
			case c.fine && len(r.got) != wanted:
				t.Errorf("%s: %d records, want %d: %v", what, len(r.got), wanted, err)
			case !c.fine && (errors.Is(err, driver.ErrLost) != c.lost || !strings.Contains(err.Error(), "files/f@") || len(r.got)+len(r.warm) > 0):
				t.Errorf("%s: got %v after %d records, want an error, ErrLost: %v, and no record", what, err, len(r.got)+len(r.warm), c.lost)
			case !c.fine && !strings.Contains(err.Error(), "are not those that were read") && !strings.Contains(err.Error(), "are gone"):
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// A log that is copied and cut to nothing, and had become longer than before when it was looked at, was once read on from
// the middle of a line.
func TestALogThatIsWrittenAnewInOneRunIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{}, Options{}, map[string]string{"f": numbered("old", 20)})
		if got, err := f.until(time.Second); len(got) != 20 || err != nil {
			t.Fatalf("%d records, %v", len(got), err)
		}
		f.add("f", "old 21\n")
		f.want("a line that was added", "f:21:old 21")
		name := filepath.Join(f.dir, "f")
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
		f.add("f", numbered("new", 40))
		got, err := f.until(2 * time.Second)
		if !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), "was written anew") || len(got) > 0 {
			t.Errorf("got %v and %v, want ErrLost", got, err)
		}
	})
}

// An editor puts a copy in a file's place.
func TestACopyInAFilesPlaceIsReadOnIfItBeginsTheSame(t *testing.T) {
	for _, same := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := follow(t, Config{}, Options{}, map[string]string{"f": numbered("old", 20)})
			if got, err := f.until(time.Second); len(got) != 20 || err != nil {
				t.Fatalf("%d records, %v", len(got), err)
			}
			word := map[bool]string{true: "old", false: "new"}[same]
			put(t, filepath.Join(f.dir, "copy"), numbered(word, 22))
			if err := os.Rename(filepath.Join(f.dir, "copy"), filepath.Join(f.dir, "f")); err != nil {
				t.Fatal(err)
			}
			got, err := f.until(2 * time.Second)
			if same && (err != nil || !slices.Equal(got, []string{"f:21:old 21", "f:22:old 22"})) || !same && !errors.Is(err, driver.ErrLost) {
				t.Errorf("the same text %v: got %q, %v", same, got, err)
			}
		})
	}
}
