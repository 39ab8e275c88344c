package file

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// follower reads a followed folder. Time is that of synctest: it jumps to the next look when all wait.
type follower struct {
	*reading
	dir string
}

func follow(t *testing.T, c Config, o Options, files map[string]string) *follower {
	o.Follow = true
	c.Dir = folder(t, files)
	return &follower{newReading(t, open(t, c, &o)), c.Dir}
}

// until reads until the given time has passed and returns what came.
func (f *follower) until(d time.Duration) ([]string, error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), d)
	defer cancel()
	f.got = nil
	for {
		if err := f.poll(ctx, false); errors.Is(err, context.DeadlineExceeded) {
			return sorted(f.got), nil
		} else if err != nil {
			return sorted(f.got), err
		}
	}
}

func (f *follower) want(what string, want ...string) {
	f.t.Helper()
	got, err := f.until(time.Second + time.Millisecond)
	if err != nil {
		f.t.Fatalf("%s: %v", what, err)
	}
	same(f.t, what, got, want)
}

func (f *follower) add(name, text string) { f.t.Helper(); add(f.t, filepath.Join(f.dir, name), text) }

func TestFollowedFileGrowsLineByLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{}, Options{}, map[string]string{"f": "a\nb"})
		f.want("at first", "f:1:a")
		f.add("f", "b\nc\n")
		f.want("after lines were added", "f:2:bb", "f:3:c")
		f.want("when nothing happens")
		f.add("f", "d")
		f.want("within a line")
		f.add("f", "\n")
		f.want("at its end", "f:4:d")
		put(t, filepath.Join(f.dir, "g"), "x\n")
		f.want("after a file was added", "g:1:x")
		put(t, filepath.Join(f.dir, "h"), "")
		f.want("an empty file")
		f.add("h", "no newline")
		f.want("a first line that may grow")
		f.add("h", "\n")
		f.want("which ends", "h:1:no newline")
		if n := len(f.s.open); n != 0 {
			t.Errorf("%d files are open", n)
		}
	})
}

func TestFollowedCSVWaitsForItsQuote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{Format: CSV{}}, Options{}, map[string]string{"f": "h\n"})
		f.want("a header alone")
		f.add("f", "a\n\"b\n")
		f.want("within a quote", "f:2:a")
		f.add("f", "c\"\n")
		f.want("at its end", "f:3:\"b\nc\"")
	})
}

func TestFollowedLongLineIsDeadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{}, Options{MaxLine: 10}, map[string]string{"f": "a\n" + strings.Repeat("x", 30)})
		f.want("too long already", "f:1:a", "!f:2:xxxxxxxxxx")
		f.add("f", strings.Repeat("x", 30))
		f.want("longer still")
		f.add("f", "\nb\n")
		f.want("after it", "f:3:b")
	})
}

func TestCompressedFileInAFollowedFolderEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{}, Options{}, map[string]string{"f": gz("a\nb")})
		f.want("at first", "f:1:a", "f:2:b")
		if _, p := f.only(); !p.Ended {
			t.Error("a compressed file has not ended")
		}
	})
}

func TestCompleteEndsAFollowedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := false
		f := follow(t, Config{}, Options{Complete: func(id string, changed time.Time) bool {
			if id != "f" || changed.IsZero() {
				t.Errorf("asked for %q, changed %v", id, changed)
			}
			return done
		}}, map[string]string{"f": "a\n"})
		f.want("at first", "f:1:a")
		done = true
		f.add("f", "b\nrest")
		f.want("with a line that has not ended", "f:2:b")
		f.add("f", " of it\n")
		f.want("when it has", "f:3:rest of it")
		if _, p := f.only(); !p.Ended {
			t.Error("a complete file has not ended")
		}
		if err := os.Remove(filepath.Join(f.dir, "f")); err != nil {
			t.Fatal(err)
		}
		f.want("after it was deleted")
	})
}

func TestCompleteIsAskedAgainWhenNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := follow(t, Config{}, Options{Complete: func(string, time.Time) bool { return time.Since(begin) > time.Minute }},
			map[string]string{"f": "a\n"})
		if _, err := f.until(2 * time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, p := f.only(); !p.Ended {
			t.Error("a file that became complete by its age has not ended")
		}
	})
}

func TestFollowedFileThatLosesLinesIsLost(t *testing.T) {
	for what, c := range map[string]struct {
		do   func(t *testing.T, name string)
		want string
	}{
		"cut":              {func(t *testing.T, name string) { os.Truncate(name, 3) }, "was cut to 3 bytes, 6 were read; lines after 3"},
		"deleted":          {func(t *testing.T, name string) { os.Remove(name) }, "is gone; lines after 3"},
		"renamed":          {func(t *testing.T, name string) { os.Rename(name, filepath.Join(filepath.Dir(name), ".x")) }, "is gone"},
		"rewritten":        {func(t *testing.T, name string) { put(t, name, "x\nb\nc\nd\n") }, "has another first line now"},
		"replaced by less": {func(t *testing.T, name string) { replace(t, name, "a\nb\n") }, "lines 3 to 3 are gone, the file has 2 lines"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := follow(t, Config{}, Options{}, map[string]string{"f": "a\nb\nc\n"})
				f.want("at first", "f:1:a", "f:2:b", "f:3:c")
				c.do(t, filepath.Join(f.dir, "f"))
				_, err := f.until(time.Minute)
				if !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "files/f@") {
					t.Errorf("got %v, want ErrLost with %q", err, c.want)
				}
			})
		})
	}
}

func TestNamedFileThatIsDeletedIsLostUnlessItWasRead(t *testing.T) {
	for _, followed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "f")
			put(t, name, "a\n")
			f := &follower{newReading(t, open(t, Config{Paths: []string{name}}, &Options{Follow: followed})), ""}
			f.hook = func(b *driver.Batch) {
				if len(b.Records) > 0 {
					os.Remove(name)
				}
			}
			_, err := f.until(time.Minute)
			if followed && !errors.Is(err, driver.ErrLost) || !followed && !errors.Is(err, io.EOF) {
				t.Errorf("followed %v: got %v", followed, err)
			}
		})
	}
}

func replace(t *testing.T, name, text string) {
	t.Helper()
	put(t, name+".new", text)
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func TestFollowedFileMayBeReplacedByALongerCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{Format: CSV{}}, Options{}, map[string]string{"f": "h\na\nb\n"})
		f.want("at first", "f:2:a", "f:3:b")
		replace(t, filepath.Join(f.dir, "f"), "h\na\nb\nc\nd\n")
		f.want("after an editor saved it", "f:4:c", "f:5:d")
	})
}

func TestAtEndIsProvedByTheSizeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{}, Options{}, map[string]string{"f": "a\nb\n\n", "g": "x\ny"})
		proved := func(what string, at map[string]int64, want ...string) {
			t.Helper()
			ask := map[record.Partition]record.Position{}
			for p := range f.progress {
				ask[p] = record.Position{Sub: at[p.ID]}
			}
			list, err := f.s.AtEnd(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range list {
				got = append(got, p.ID)
			}
			same(t, what, sorted(got), want)
		}
		f.want("at first", "f:1:a", "f:2:b", "g:1:x")
		proved("g has a line that may grow", map[string]int64{"f": 2, "g": 1}, "f")
		proved("not the last line", map[string]int64{"f": 1, "g": 1})
		f.add("f", "c\n")
		proved("a line was just added", map[string]int64{"f": 2, "g": 1})
		f.add("g", "\n")
		f.want("the new lines", "f:4:c", "g:2:y")
		proved("both at their ends", map[string]int64{"f": 4, "g": 2}, "f", "g")
		if err := os.Remove(filepath.Join(f.dir, "f")); err != nil {
			t.Fatal(err)
		}
		proved("a deleted file", map[string]int64{"f": 4, "g": 2}, "g")
		st := driver.Start{Lane: "files/g", From: map[record.Partition]driver.Progress{}}
		for p := range f.progress {
			if p.ID == "g" {
				st.From[p] = driver.Progress{UpTo: record.Position{Sub: 1}}
			}
		}
		if err := f.s.Start(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		proved("a lane that begins again", map[string]int64{"f": 4, "g": 2})
	})
}

func TestPausedLaneGivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{}, Options{}, map[string]string{"f": "a\n", "g": "x\n"})
		f.want("at first", "f:1:a", "g:1:x")
		f.s.Pause("files/f", true)
		f.add("f", "b\n")
		f.add("g", "y\n")
		f.want("while f is paused", "g:2:y")
		f.s.Pause("files/f", false)
		f.want("after it", "f:2:b")
	})
}

func TestFilesThatAppearWhileOthersAreReadAreReadToo(t *testing.T) {
	dir := folder(t, map[string]string{"f": "a\n"})
	r := newReading(t, open(t, Config{Dir: dir}, nil))
	r.hook = func(b *driver.Batch) {
		if len(b.Ended) > 0 && b.Ended[0].Partition.ID == "f" {
			put(t, filepath.Join(dir, "g"), "x\n")
		}
	}
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", r.got, []string{"f:1:a", "g:1:x"})
}

func TestCloseClosesAllFiles(t *testing.T) {
	text := strings.Repeat("a\n", 100)
	s := open(t, Config{Dir: folder(t, map[string]string{"f": text, "g": gz(text), "h": zst(text)})}, nil)
	r := newReading(t, s)
	for len(s.open) < 3 {
		if err := r.poll(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	files := []*os.File{s.open[0].r.in.File, s.open[1].r.in.File, s.open[2].r.in.File}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s is open: %v", f.Name(), err)
		}
	}
}

func TestManyFilesFewOpen(t *testing.T) {
	files, want := map[string]string{}, []string{}
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		files[string(c)] = string(c) + "1\n" + string(c) + "2\n"
		want = append(want, string(c)+":1:"+string(c)+"1", string(c)+":2:"+string(c)+"2")
	}
	r := newReading(t, open(t, Config{Dir: folder(t, files)}, &Options{MaxOpen: 3}))
	r.s.chunks.bytes = 4
	r.hook = func(*driver.Batch) {
		if n := len(r.s.open); n > 3 {
			t.Fatalf("%d files are open", n)
		}
	}
	for {
		if err := r.poll(t.Context(), false); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	same(t, "records", sorted(r.got), want)
}
