package file

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"errors"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// pending makes the set of some positions.
func pendingSet(at ...int64) driver.PendingSet {
	var h driver.PendingSet
	for _, n := range at {
		if h.First.IsZero() {
			h.First = record.Position{Sub: n}
		}
		h.Ordinals = append(h.Ordinals, uint32(n-h.First.Sub))
	}
	return h
}

// text makes a text of some lines and the records that it holds.
func text(r *rand.Rand, f Format) string {
	var b strings.Builder
	if _, ok := f.(CSV); ok {
		b.WriteString("head,er\n")
	}
	for i := range 1 + r.IntN(40) {
		switch _, quotes := f.(CSV); {
		case r.IntN(8) == 0:
			b.WriteString("\n")
		case quotes && r.IntN(3) == 0:
			fmt.Fprintf(&b, "\"%d\n%s\"\"\n\",x\n", i, strings.Repeat("y\n", r.IntN(5)))
		case r.IntN(9) == 0:
			b.WriteString(strings.Repeat("z", 150) + "\n")
		default:
			fmt.Fprintf(&b, "%d,%s\n", i, strings.Repeat("x", r.IntN(30)))
		}
	}
	if s := b.String(); r.IntN(2) == 0 {
		return strings.TrimSuffix(s, "\n") + "!"
	}
	return b.String()
}

func TestRestartGivesThePendingRecordsAndThoseAfterUpTo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		format := []Format{NDJSON{}, Lines{}, CSV{}}[i%3]
		s := text(r, format)
		if i%7 == 0 {
			s = gz(s)
		}
		c := Config{Dir: folder(t, map[string]string{"f": s}), Format: format}
		o := &Options{MaxLine: 100}
		var all []record.Position
		list := everythingAt(t, c, o, &all)
		if len(list) == 0 {
			continue
		}
		upTo := r.IntN(len(list))
		var want []string
		var at []int64
		for j := range upTo + 1 {
			if r.IntN(4) == 0 && list[j][0] != '!' {
				at = append(at, all[j].Sub)
				want = append(want, list[j])
			}
		}
		ended := r.IntN(4) == 0
		if !ended {
			want = append(want, list[upTo+1:]...)
		}
		src := open(t, c, o)
		rd := newReading(t, src)
		rd.progress[src.first[0].part] = driver.Progress{UpTo: all[upTo], Pending: pendingSet(at...), Ended: ended, Arrived: src.first[0].info.ModTime()}
		if err := rd.all(); err != nil {
			t.Fatalf("seed %d: %v", i, err)
		}
		same(t, fmt.Sprintf("%d: %T from %v, pending %v", i, format, all[upTo], at), rd.got, want)
	}
}

// everythingAt is everything for one file, in the order of its positions.
func everythingAt(t *testing.T, c Config, o *Options, at *[]record.Position) []string {
	type one struct {
		pos  record.Position
		text string
	}
	var list []one
	rd := newReading(t, open(t, c, o))
	rd.hook = func(b *driver.Batch) {
		for i := range b.Records {
			list = append(list, one{b.Records[i].Position, fmt.Sprintf("f:%s:%s", b.Records[i].Position, b.Records[i].Value)})
		}
		for i := range b.Unreadable {
			rec := &b.Unreadable[i].Record
			list = append(list, one{rec.Position, fmt.Sprintf("!f:%s:%s", rec.Position, rec.Value)})
		}
	}
	if err := rd.all(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b one) int { return a.pos.Compare(b.pos) })
	var out []string
	for _, o := range list {
		*at = append(*at, o.pos)
		out = append(out, o.text)
	}
	return out
}

func TestLongLineIsDeadAndReadingGoesOn(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, ends := range []string{"\n", ""} {
		dir := folder(t, map[string]string{"f": "a\n" + long + "\nb\n" + long[:101] + "\r\n" + long[:100] + "\r\n" + long + ends})
		r := newReading(t, open(t, Config{Dir: dir}, &Options{MaxLine: 100}))
		var dead []driver.DeadLetter
		r.hook = func(b *driver.Batch) {
			for _, d := range b.Unreadable {
				d.Record = d.Record.Clone()
				dead = append(dead, d)
			}
			b.Unreadable = nil
		}
		if err := r.all(); err != nil {
			t.Fatal(err)
		}
		same(t, "records", r.got, []string{"f:1:a", "f:3:b", "f:5:" + long[:100]})
		if len(dead) != 3 {
			t.Fatalf("%d dead letters, want 3", len(dead))
		}
		for i, line := range []int64{2, 4, 6} {
			d := dead[i]
			if d.Record.Position.Sub != line || d.Record.Partition.ID != "f" || !strings.HasPrefix(long, string(d.Record.Value)) ||
				len(d.Record.Value) > deadBytes || len(d.Record.Value) < 100 || !strings.Contains(d.Err.Error(), "longer than 100 bytes") {
				t.Errorf("dead letter %d: %v of %v, %d bytes, %v", i, d.Record.Position, d.Record.Partition, len(d.Record.Value), d.Err)
			}
		}
	}
}

func TestWarmUpGivesFinishedRecordsFirst(t *testing.T) {
	c := Config{Dir: folder(t, map[string]string{"f": "a\nb\nc\nd\ne\n"})}
	for _, k := range []struct {
		p         driver.Progress
		warm, got []string
	}{
		{driver.Progress{}, nil, []string{"f:1:a", "f:2:b", "f:3:c", "f:4:d", "f:5:e"}},
		{driver.Progress{UpTo: record.Position{Sub: 3}}, []string{"f:1:a", "f:2:b", "f:3:c"}, []string{"f:4:d", "f:5:e"}},
		{driver.Progress{UpTo: record.Position{Sub: 4}, Pending: pendingSet(2, 4)}, []string{"f:1:a", "f:3:c"}, []string{"f:2:b", "f:4:d", "f:5:e"}},
		{driver.Progress{UpTo: record.Position{Sub: 5}, Pending: pendingSet(2), Ended: true}, []string{"f:1:a", "f:3:c", "f:4:d", "f:5:e"}, []string{"f:2:b"}},
		{driver.Progress{UpTo: record.Position{Sub: 5}, Ended: true}, nil, nil},
	} {
		s := open(t, c, nil)
		r := newReading(t, s)
		r.progress[s.first[0].part] = k.p
		done := 0
		r.hook = func(b *driver.Batch) {
			if b.WarmDone {
				done++
			}
			if done > 0 && b.Warm && !b.WarmDone || done == 0 && len(b.Records) > 0 && !b.Warm {
				t.Errorf("%+v: warm-up is not first", k.p)
			}
		}
		for {
			if err := r.poll(t.Context(), true); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		same(t, fmt.Sprintf("warm-up of %+v", k.p), r.warm, k.warm)
		same(t, fmt.Sprintf("records of %+v", k.p), r.got, k.got)
		if done != 1 {
			t.Errorf("%+v: WarmDone came %d times", k.p, done)
		}
	}
}

func TestLostLinesAreAnErrorThatNamesThem(t *testing.T) {
	at := func(n int64, pending ...int64) driver.Progress {
		return driver.Progress{UpTo: record.Position{Sub: n}, Pending: pendingSet(pending...)}
	}
	for _, c := range []struct {
		what, now string
		p         driver.Progress
		want      string
	}{
		{"cut short", "a\nb\n", at(4), "lines 3 to 4 are gone, the file has 2 lines now"},
		{"cut short within the last line", "a\nb", at(4), "lines 3 to 4 are gone"},
		{"a pending line is gone", "a\nb\n", at(4, 3), "lines 3 to 4 are gone"},
		{"a line became blank", "a\n\nc\nd\ne\n", at(2), "no record begins at line 2"},
		{"a pending line became blank", "a\n\nc\nd\ne\n", at(4, 2), "no record begins at line 2"},
		{"another first line", "x\nb\nc\nd\n", at(4), "lines of files/f@"},
	} {
		dir := folder(t, map[string]string{"f": "a\nb\nc\nd\n"})
		old := open(t, Config{Dir: dir}, nil).first[0].part
		put(t, filepath.Join(dir, "f"), c.now)
		s := open(t, Config{Dir: dir}, nil)
		b, err := s.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		from := map[record.Partition]driver.Progress{b.Assigned[0].Partitions[0]: {}, old: c.p}
		for err = s.Start(t.Context(), driver.Start{Lane: b.Assigned[0].Lane, From: from}); err == nil; {
			_, err = s.Poll(t.Context())
		}
		if !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "files/f@") {
			t.Errorf("%s: got %v, want ErrLost with %q", c.what, err, c.want)
		}
	}
}

func TestLinesAddedAfterTheEndAreRefusedByTheNextRun(t *testing.T) {
	for _, c := range []struct {
		more    string
		touched bool
		refused bool
	}{{"c\n", true, true}, {"", true, false}, {"\n\n", true, false}, {"", false, false}} {
		dir := folder(t, map[string]string{"f": "a\nb\n"})
		name := filepath.Join(dir, "f")
		s := open(t, Config{Dir: dir}, nil)
		p := driver.Progress{UpTo: record.Position{Sub: 2}, Ended: true, Arrived: s.first[0].info.ModTime()}
		add(t, name, c.more)
		if c.touched {
			if err := os.Chtimes(name, time.Time{}, p.Arrived.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		s = open(t, Config{Dir: dir}, nil)
		r := newReading(t, s)
		r.progress[s.first[0].part] = p
		err := r.all()
		if c.refused != (err != nil) || err != nil && !strings.Contains(err.Error(), "line 3 was added after the file had been read to its end") {
			t.Errorf("%+v: got %v", c, err)
		}
		same(t, "records", r.got, nil)
	}
}

func TestStartAgainForgetsWhatWasReadAhead(t *testing.T) {
	s := open(t, Config{Dir: folder(t, map[string]string{"f": "a\nb\n" + strings.Repeat("c\n", 100)})}, nil)
	r := newReading(t, s)
	for len(r.got) == 0 {
		if err := r.poll(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	part, _ := r.only()
	r.got, r.progress = nil, map[record.Partition]driver.Progress{part: {UpTo: record.Position{Sub: 1}}}
	if err := s.Start(t.Context(), driver.Start{Lane: r.lanes[0], From: r.progress}); err != nil {
		t.Fatal(err)
	}
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	if len(r.got) != 101 || r.got[0] != "f:2:b" {
		t.Errorf("after Start at 1: %d records from %s", len(r.got), r.got[0])
	}
}

func TestCancelledPollLosesNothing(t *testing.T) {
	var want []string
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "%d\n", i)
		if i >= 150 {
			want = append(want, fmt.Sprintf("f:%d:%d", i+1, i))
		}
	}
	s := open(t, Config{Dir: folder(t, map[string]string{"f": b.String()})}, nil)
	r := newReading(t, s)
	r.progress[s.first[0].part] = driver.Progress{UpTo: record.Position{Sub: 150}}
	for n := 0; ; n++ {
		err := r.poll(&flaky{t.Context(), n % 5}, false)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errFlaky) {
			t.Fatal(err)
		}
	}
	same(t, "records", r.got, want)
}

var errFlaky = errors.New("cancelled")

// flaky is a context that ends after it was asked a few times.
type flaky struct {
	ctx interface {
		Deadline() (time.Time, bool)
		Done() <-chan struct{}
		Value(any) any
	}
	left int
}

func (f *flaky) Deadline() (time.Time, bool) { return f.ctx.Deadline() }
func (f *flaky) Done() <-chan struct{}       { return f.ctx.Done() }
func (f *flaky) Value(k any) any             { return f.ctx.Value(k) }
func (f *flaky) Err() error {
	if f.left--; f.left < 0 {
		return errFlaky
	}
	return nil
}
