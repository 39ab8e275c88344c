package join_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// data opens a file of the real data sets, or skips the test.
func data(t *testing.T, name string) io.Reader {
	t.Helper()
	dir := os.Getenv("ONCEFLOW_DATA")
	if dir == "" {
		t.Skip("ONCEFLOW_DATA is not set: see docs/testing.md")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no %s in ONCEFLOW_DATA", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if filepath.Ext(name) != ".gz" {
		return f
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// feed passes the events in batches, with the clock of one log, and a crash now and then.
func feed(l *streamtest.Lane[event, event], in []fed) {
	r := rand.New(rand.NewPCG(1, 1))
	var seen time.Time
	for batch := range slices.Chunk(in, 50) {
		var b []record.Event[event]
		for _, e := range batch {
			b = append(b, record.Event[event]{Value: e.event, Time: e.At})
			if e.At.After(seen) {
				seen = e.At
			}
		}
		l.FeedAll(b)
		l.Advance(seen)
		switch r.IntN(20) {
		case 0:
			l.CrashShuffled(r.Uint64())
		case 1:
			l.Commit()
		}
	}
	l.Advance(record.EndOfTime)
}

// perKey is sortAndScan key by key, since it is slow.
func perKey(in []fed, o *join.Options) (rows []string, unmatched, pairs int) {
	keys := map[string][]fed{}
	for _, e := range in {
		keys[e.Key] = append(keys[e.Key], e)
	}
	for _, of := range keys {
		r, u := sortAndScan(of, o)
		rows, unmatched = append(rows, r...), unmatched+u
	}
	for _, e := range in {
		if !e.Left {
			pairs++
		}
	}
	slices.Sort(rows)
	return rows, unmatched, pairs - unmatched
}

// inOrder is the other reference, for events that come in the order of their times.
func inOrder(in []fed, o *join.Options) (rows []string) {
	keys := map[string]*scan{}
	for _, e := range in {
		if keys[e.Key] == nil {
			keys[e.Key] = &scan{o: o}
		}
		keys[e.Key].feed(e)
	}
	for _, s := range keys {
		s.advance(record.EndOfTime)
		rows = append(rows, s.rows...)
	}
	slices.Sort(rows)
	return rows
}

// weblog is the SEC's log: a view is a request for a filing's index page, a document request is what may follow.
func weblog(t *testing.T) (in []fed) {
	rows, err := csv.NewReader(data(t, "edgar-weblog/log20030220-first8h.csv")).ReadAll()
	if err != nil && len(rows) == 0 {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for _, r := range rows[1:] {
		at, err := time.Parse("2006-01-02 15:04:05", r[1]+" "+r[2])
		if err != nil {
			t.Fatal(err)
		}
		tuple := fmt.Sprint(r[0], r[1], r[2], r[5], r[6])
		if _, ok := ids[tuple]; !ok {
			ids[tuple] = len(ids) + 1
		}
		in = append(in, fed{event: event{ID: ids[tuple], Key: r[0] + " " + r[5], Left: r[9] == "1.0", At: at}})
	}
	return in
}

func TestWeblogEqualsTheReference(t *testing.T) {
	all := weblog(t)
	known := map[int]bool{}
	var unique []fed
	for _, e := range all {
		if !known[e.ID] {
			unique = append(unique, e)
		}
		known[e.ID] = true
	}
	if len(all) != 8978 || len(unique) != 8786 {
		t.Fatalf("%d events, %d unique; the data set has 8,978 and 8,786", len(all), len(unique))
	}
	for _, seconds := range []int{60, 300, 1800} {
		o := &join.Options{Window: time.Duration(seconds) * time.Second}
		sorted, unmatched, pairs := perKey(unique, o)
		t.Logf("%d s: %d pairs", seconds, pairs)
		for _, settled := range []bool{false, true} {
			want := sorted
			l := streamtest.Open(t, stream.Compose(dedup.ByID(dedup.NewMemory(nil), (*event).eventID, nil),
				join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, settled))))
			feed(l, all)
			if !settled { // within one second the order of the log is another one than that of the times
				want = inOrder(unique, o)
			}
			if got := rows(l); !slices.Equal(got, want) || l.Reasons()["unmatched"] != unmatched {
				t.Errorf("%d s, settled %v: %d rows, %d unmatched; want %d, %d", seconds, settled, len(got),
					l.Reasons()["unmatched"], len(want), unmatched)
			}
			if got := l.Fates()[record.Duplicate]; got != 192 {
				t.Errorf("%d duplicates, want 192", got)
			}
		}
	}
}

func TestProcessesMeetTheirEndInRealDisorder(t *testing.T) {
	for name, want := range map[string]int{"empire-2020-09-04": 35, "covenant-2020-10-09": 51} {
		t.Run(name, func(t *testing.T) {
			var in []fed
			lines := bufio.NewScanner(data(t, "otrf-sysmon/"+name+".ndjson.gz"))
			for lines.Scan() {
				var r struct {
					Event   int       `json:"event_id"`
					Time    time.Time `json:"event_time"`
					GUID    string    `json:"process_guid"`
					Channel string
				}
				if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
					t.Fatal(err)
				}
				e := fed{event: event{ID: len(in) + 1, At: r.Time}}
				if r.Channel == "Microsoft-Windows-Sysmon/Operational" && (r.Event == 1 || r.Event == 5) {
					e.Key, e.Left = r.GUID, r.Event == 1
				}
				if e.Key != "" || lines.Bytes()[len(lines.Bytes())/2]%16 == 0 { // some that take no part but move the clock
					in = append(in, e)
				}
			}
			o := &join.Options{Window: 10 * time.Minute, Grace: 3 * time.Minute} // disorder is up to 145 s
			for _, settled := range []bool{false, true} {
				l := streamtest.Open(t, join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, settled)))
				feed(l, in)
				if got := l.Fates()[record.Merged]; got != int64(want) {
					t.Errorf("settled %v: %d pairs, want %d", settled, got, want)
				}
				if got := l.Fates()[record.Written]; got+int64(want)+int64(l.Reasons()["unmatched"]) != int64(len(in)) {
					t.Errorf("settled %v: fates %v do not add up to %d", settled, l.Fates(), len(in))
				}
			}
		})
	}
}

func TestClicksMeetCartsWithinWeeks(t *testing.T) {
	var in []fed
	for d := json.NewDecoder(data(t, "otto-sessions/train.jsonl")); d.More(); {
		var s struct {
			Session int
			Events  []struct {
				Aid  int
				TS   int64
				Type string
			}
		}
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		for _, e := range s.Events {
			if e.Type != "orders" {
				in = append(in, fed{event: event{Key: fmt.Sprint(s.Session, e.Aid), Left: e.Type == "clicks",
					At: time.UnixMilli(e.TS).UTC()}})
			}
		}
	}
	slices.SortStableFunc(in, func(a, b fed) int { return a.At.Compare(b.At) })
	for i := range in {
		in[i].ID = i + 1
	}
	o := &join.Options{Window: 20 * 24 * time.Hour}
	want, unmatched, pairs := perKey(in, o)
	t.Logf("%d pairs, %d carts without a click", pairs, unmatched)
	if len(in) != 852 {
		t.Errorf("%d clicks and carts, want 852", len(in))
	}
	for _, settled := range []bool{false, true} {
		l := streamtest.Open(t, join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, settled)))
		feed(l, in)
		if got := rows(l); !slices.Equal(got, want) || l.Reasons()["unmatched"] != unmatched {
			t.Errorf("settled %v: %d rows and %d unmatched, want %d and %d", settled, len(got), l.Reasons()["unmatched"], len(want), unmatched)
		}
	}
}
