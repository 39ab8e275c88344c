package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// word is an event of a line "time key word...", in which a join puts the words of two together.
type word struct {
	at    time.Time
	key   string
	words string
}

func (w *word) time() time.Time { return w.at }
func (w *word) id() string      { return w.key + " " + w.words }
func (w *word) name() string    { return w.key }
func (w *word) isLoad() bool    { return w.words == "load" }
func mergeWords(l, r *word)     { l.words += "+" + r.words }

func parseWord(r *stream.Record) (w word, err error) {
	f := strings.Fields(string(r.Value))
	if len(f) < 3 {
		return w, errors.New("want three words")
	}
	w.at, err = time.Parse(time.RFC3339Nano, f[0])
	w.key, w.words = f[1], f[2]
	return w, err
}

// words runs a job over a folder and returns how often each row, "key words", was written.
func words(t *testing.T, in, out string, o *file.Options, opts *stream.Options, stage stream.Stage[word, word]) (map[string]int, error) {
	t.Helper()
	return wordsUntil(t, 1<<30, in, out, o, opts, stage)
}

// wordsUntil is words for a job that is told to end once it has decoded so many records.
func wordsUntil(t *testing.T, last int, in, out string, o *file.Options, opts *stream.Options, stage stream.Stage[word, word]) (map[string]int, error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	parse := func(r *stream.Record) (word, error) {
		if last--; last == 0 {
			stop()
		}
		return parseWord(r)
	}
	store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	src, err := file.Open(file.Config{Dir: in}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	files, err := sink.Open(t.Context(), store, "e2e", []sink.Flow[word]{{
		Name:   "all",
		Codec:  codec.Gzip,
		Format: format.Lines(".txt", func(dst []byte, w *word) ([]byte, error) { return append(dst, w.id()...), nil }),
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pipe := stream.Via(stream.Via(stream.From(src), stream.Decode(parse, (*word).time)), stage)
	err = stream.Run(ctx, pipe, seal.Hourly(files, nil), opts)
	rows := map[string]int{}
	if ctx.Err() != nil {
		return rows, err // not all is sealed
	}
	for _, hour := range read(t, out) {
		for row, n := range hour {
			rows[row] += n
		}
	}
	return rows, err
}

func oneLane(string) string { return "all" }

// twice writes 31 IDs into each of two hourly files out of six, and others once.
func twice(t *testing.T) (dir string, want map[string]int) {
	t.Helper()
	dir, want = t.TempDir(), map[string]int{}
	r := rand.New(rand.NewPCG(3, 1))
	texts := make([]strings.Builder, 6)
	put := func(h, id int) {
		fmt.Fprintf(&texts[h], "%s id%d x\n", t0.Add(time.Duration(h)*time.Hour+time.Duration(id)*time.Second).Format(time.RFC3339), id)
		want[fmt.Sprintf("id%d x", id)] = 1
	}
	for id := range 300 {
		first := r.IntN(6)
		put(first, id)
		if id < 31 {
			put((first+1+r.IntN(5))%6, id)
		}
	}
	for h := range texts {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("hour-%d.log", h)), []byte(texts[h].String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir, want
}

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

func memory() stream.Stage[word, word] { return dedup.ByID(dedup.NewMemory(nil), (*word).id, nil) }

// A store of IDs in memory once found 5 of 31 copies that were in other files than the first ones, and said nothing.
func TestCopiesInOtherFilesAreFoundInOneLane(t *testing.T) {
	in, want := twice(t)
	for name, o := range map[string]*file.Options{
		"by name":  {Lane: oneLane},
		"in order": {Lane: oneLane, InOrder: true},
	} {
		got, err := words(t, in, t.TempDir(), o, nil, memory())
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v; %d rows, want each of %d once", name, err, sum(got), len(want))
		}
	}
}

func TestAStageThatSeesOneLaneIsRefusedOverSeveralFiles(t *testing.T) {
	in, _ := twice(t)
	for name, stage := range map[string]stream.Stage[word, word]{
		"dedup":    memory(),
		"join":     join.Left((*word).name, (*word).isLoad, mergeWords, nil),
		"composed": stream.Compose(stream.Filter("none", func(*word) bool { return true }), memory()),
	} {
		got, err := words(t, in, t.TempDir(), nil, nil, stage)
		var scattered *stream.ScatteredError
		if !errors.As(err, &scattered) || scattered.Lanes != [2]string{"files/hour-0.log", "files/hour-1.log"} || len(got) > 0 {
			t.Errorf("%s: got %v and %d rows, want a ScatteredError and none", name, err, len(got))
		}
	}
	if got, err := words(t, in, t.TempDir(), nil, &stream.Options{KeysInLanes: true}, memory()); err != nil || sum(got) != 300+31 {
		t.Errorf("with KeysInLanes: %v and %d rows, want all 331: no copy is in the file of the first", err, sum(got))
	}
	if got, err := words(t, in, t.TempDir(), nil, nil, stream.Filter("none", func(*word) bool { return true })); err != nil || sum(got) != 300+31 {
		t.Errorf("with a stage that sees no lane: %v and %d rows, want 331", err, sum(got))
	}
}

// Each run reads another file, and the store of IDs begins empty: copies would go unnoticed between two runs too.
func TestAnotherFileInTheNextRunIsAnotherLane(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	row := []byte("2025-05-01T06:00:00Z a x\n")
	if err := os.WriteFile(filepath.Join(in, "1"), row, 0o666); err != nil {
		t.Fatal(err)
	}
	if got, err := words(t, in, out, nil, nil, memory()); err != nil || sum(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if err := errors.Join(os.Remove(filepath.Join(in, "1")), os.WriteFile(filepath.Join(in, "2"), row, 0o666)); err != nil {
		t.Fatal(err)
	}
	var scattered *stream.ScatteredError
	if _, err := words(t, in, out, nil, nil, memory()); !errors.As(err, &scattered) {
		t.Errorf("got %v, want a ScatteredError", err)
	}
}

// A join over hourly files once found 181 of 200 pairs, those whose halves were in one file, and said nothing. In one lane
// it finds all, also if the job is started anew over and over: the halves that wait are in files that were read to the end.
func TestPairsAcrossTheFilesOfALaneAreFound(t *testing.T) {
	in, want := t.TempDir(), map[string]int{}
	texts := make([]strings.Builder, 6)
	type line struct {
		at   time.Time
		text string
	}
	var lines []line
	for i := range 200 {
		at := t0.Add(time.Duration(i) * 100 * time.Second)
		key := fmt.Sprintf("view%d", i)
		beat := at.Add(70 * time.Second)
		lines = append(lines, line{at, key + " load"}, line{beat, key + " beat"}, line{at.Add(time.Second), "alone" + key + " load"})
		want[key+" load+beat"], want["alone"+key+" load"] = 1, 1
	}
	slices.SortFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	for _, l := range lines {
		fmt.Fprintf(&texts[int(l.at.Sub(t0)/time.Hour)], "%s %s\n", l.at.Format(time.RFC3339), l.text)
	}
	for h := range texts {
		if err := os.WriteFile(filepath.Join(in, fmt.Sprint(h)), []byte(texts[h].String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	stage := func(most int) stream.Stage[word, word] {
		return join.Left((*word).name, (*word).isLoad, mergeWords, &join.Options{MaxPending: most})
	}
	for name, c := range map[string]struct {
		o    file.Options
		most int
	}{
		"by name":  {file.Options{Lane: oneLane}, 1000},
		"in order": {file.Options{Lane: oneLane, InOrder: true}, 60}, // what waits does not grow with the files
	} {
		out := t.TempDir()
		for last := 40; last < 400; last += 90 {
			if _, err := wordsUntil(t, last, in, out, &c.o, nil, stage(c.most)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		got, err := words(t, in, out, &c.o, nil, stage(c.most))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v; %d rows of %d kinds, want %d", name, err, sum(got), len(got), len(want))
		}
	}
	var pending *join.PendingError
	if _, err := words(t, in, t.TempDir(), &file.Options{Lane: oneLane}, nil, stage(60)); !errors.As(err, &pending) {
		t.Errorf("files that may be in disorder: got %v, want all that is alone to wait for the last file", err)
	}
}

func sum(m map[string]int) (n int) {
	for _, k := range m {
		n += k
	}
	return n
}

// A file that appears in a followed folder joins the lane of those that were read before, with what they hold.
func TestANewFileJoinsItsLane(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(in, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put("0", "2025-05-01T06:00:00Z a load\n2025-05-01T06:00:01Z c x\n")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	src, err := file.Open(file.Config{Dir: in}, &file.Options{Follow: true, Poll: time.Millisecond, Lane: oneLane, InOrder: true})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	files, err := sink.Open(ctx, store, "e2e", []sink.Flow[word]{{
		Name: "all", Codec: codec.Gzip,
		Format: format.Lines(".txt", func(dst []byte, w *word) ([]byte, error) { return append(dst, w.id()...), nil }),
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hits := stream.Via(stream.From(src), stream.Decode(parseWord, (*word).time))
	hits = stream.Via(hits, memory())
	hits = stream.Via(hits, join.Left((*word).name, (*word).isLoad, mergeWords, &join.Options{Window: time.Hour}))
	committed, merged, ended := make(chan struct{}, 1), make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- stream.Run(ctx, hits, files, &stream.Options{CommitEvery: 10 * time.Millisecond, Observe: func(s stream.Status) {
			for c, on := range map[chan struct{}]bool{committed: s.Commits > 0, merged: s.Counts[stream.Merged] > 0} {
				if on {
					select {
					case c <- struct{}{}:
					default:
					}
				}
			}
		}})
	}()
	wait := func(what string, c chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case err := <-ended:
			t.Fatalf("%s: Run ended with %v", what, err)
		case <-time.After(time.Minute):
			t.Fatalf("%s: not within a minute", what)
		}
	}
	wait("the first file", committed)
	put("1", "2025-05-01T06:00:01Z c x\n2025-05-01T06:10:00Z a beat\n")
	wait("the pair", merged)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	state, err := sink.Inspect(t.Context(), store, "e2e", nil)
	if err != nil {
		t.Fatal(err)
	}
	// The load with its beat and, once, c that nobody joins: it is a right event without a left one that waits.
	if c := state.Counts; c[stream.Duplicate] != 1 || c[stream.Merged] != 1 {
		t.Errorf("got %v, want a copy and a pair that were found", c)
	}
}
