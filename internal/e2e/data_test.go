package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// data is a folder of real events: see its READMEs. It is not part of this repository.
func data(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("ONCEFLOW_DATA")
	if dir == "" {
		t.Skip("ONCEFLOW_DATA is not set: see docs/testing.md")
	}
	dir = filepath.Join(dir, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("real data is not there, set ONCEFLOW_DATA: %v", err)
	}
	return dir
}

func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// event is a row of real data: its text and its time.
type event struct {
	text string
	at   time.Time
	key  string
}

func (e *event) eventTime() time.Time { return e.at }

// byHour counts texts by hour.
type byHour map[string]map[string]int

func (h byHour) add(at time.Time, text string) {
	hour := at.UTC().Format("2006-01-02T15")
	if h[hour] == nil {
		h[hour] = map[string]int{}
	}
	h[hour][text]++
}

func (h byHour) counts() map[string]int {
	n := map[string]int{}
	for hour, rows := range h {
		for _, c := range rows {
			n[hour] += c
		}
	}
	return n
}

// run sends files through a job into a new folder and returns what is in it, read with nothing of ours.
func run(t *testing.T, c file.Config, parse func(*stream.Record) (event, error)) byHour {
	t.Helper()
	src, err := file.Open(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	out := t.TempDir()
	store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	files, err := sink.Open(t.Context(), store, "e2e", []sink.Flow[event]{{
		Name:   "all",
		Format: format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil }),
		Codec:  codec.Gzip,
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	events := stream.Via(stream.From(src), stream.Decode(parse, (*event).eventTime))
	if err := stream.Run(t.Context(), events, seal.Hourly(files, nil), &stream.Options{CommitEvery: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	return read(t, out)
}

// read returns the rows of the sealed hours; there must be no others.
func read(t *testing.T, out string) byHour {
	t.Helper()
	got := byHour{}
	err := filepath.WalkDir(out, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "_onceflow" {
				return fs.SkipDir
			}
			return err
		}
		var at time.Time
		rel, _ := filepath.Rel(out, filepath.Dir(p))
		if at, err = time.Parse("all/day=2006-01-02/hour=15", filepath.ToSlash(rel)); err != nil {
			return fmt.Errorf("%s is not in the folder of an hour", p)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(p), "_SEALED")); err != nil {
			t.Errorf("%s is in an hour that is not sealed", p)
		}
		if d.Name() == "_SEALED" {
			if hour := at.Format("2006-01-02T15"); got[hour] == nil {
				got[hour] = map[string]int{}
			}
			return nil
		}
		z, err := gzip.NewReader(open(t, p))
		if err != nil {
			return err
		}
		sc := bufio.NewScanner(z)
		for sc.Scan() {
			got.add(at, sc.Text())
		}
		return sc.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func compare(t *testing.T, what string, got, want byHour) {
	t.Helper()
	if !maps.Equal(got.counts(), want.counts()) {
		t.Errorf("%s: rows by hour: got %v, want %v", what, got.counts(), want.counts())
	}
	for hour := range want {
		if !maps.Equal(got[hour], want[hour]) {
			t.Errorf("%s: hour %s has other rows", what, hour)
		}
	}
}

// scatter writes events to n files by their key, each in another order: an event may come up to most after a later one.
func scatter(t *testing.T, events []event, n int, most time.Duration, head string) string {
	t.Helper()
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 1))
	parts := make([][]event, n)
	for _, e := range events {
		h := fnv.New32a()
		io.WriteString(h, e.key)
		i := int(h.Sum32() % uint32(n))
		parts[i] = append(parts[i], e)
	}
	for i, part := range parts {
		arrival := map[int]time.Time{}
		order := make([]int, len(part))
		for j := range part {
			order[j], arrival[j] = j, part[j].at.Add(time.Duration(rnd.Int64N(int64(most))))
		}
		slices.SortStableFunc(order, func(a, b int) int { return arrival[a].Compare(arrival[b]) })
		var b strings.Builder
		b.WriteString(head)
		for _, j := range order {
			b.WriteString(part[j].text + "\n")
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("part-%d", i)), []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEdgarWebLogGoesThroughWithExactHours(t *testing.T) {
	name := filepath.Join(data(t, "edgar-weblog"), "log20030220-first8h.csv")
	r := csv.NewReader(open(t, name))
	want := byHour{}
	var events []event
	var head string
	for i := 0; ; i++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			head = strings.Join(row, ",") + "\n"
			continue
		}
		at, err := time.Parse("2006-01-02 15:04:05", row[1]+" "+row[2])
		if err != nil {
			t.Fatal(err)
		}
		e := event{strings.Join(row, ","), at, row[0]}
		events = append(events, e)
		want.add(at, e.text)
	}
	if len(events) != 8978 || len(want) != 9 {
		t.Fatalf("%d rows in %d hours, the README says 8,978 in 9", len(events), len(want))
	}
	at := file.Columns(file.CSV{}, []string{"date", "time"}, func(c [][]byte) (time.Time, error) {
		return time.Parse("2006-01-02 15:04:05", string(c[0])+" "+string(c[1]))
	})
	parse := func(r *stream.Record) (e event, err error) {
		e.text = string(r.Value)
		e.at, err = at(r)
		return e, err
	}
	one := run(t, file.Config{Paths: []string{name}, Format: file.CSV{}}, parse)
	compare(t, "one file", one, want)
	dir := scatter(t, events, 5, 10*time.Minute, head)
	compare(t, "five files in disorder", run(t, file.Config{Dir: dir, Format: file.CSV{}}, parse), want)

	// The README counts the rows after repeats of ip, date, time, accession and file name are taken out.
	distinct := map[string]int{}
	for hour, rows := range one {
		ids := map[string]bool{}
		for row := range rows {
			f := strings.Split(row, ",")
			ids[f[0]+f[1]+f[2]+f[5]+f[6]] = true
		}
		distinct[hour[len(hour)-2:]] = len(ids)
	}
	readme := map[string]int{"00": 1447, "01": 1387, "02": 712, "03": 1007, "04": 814, "05": 876, "06": 990, "07": 903, "08": 650}
	if !maps.Equal(distinct, readme) {
		t.Errorf("distinct rows by hour: got %v, the README says %v", distinct, readme)
	}
}

func TestSysmonFilesGoThroughWithExactHours(t *testing.T) {
	dir := data(t, "otrf-sysmon")
	names := map[string]int{"empire-2020-09-04.ndjson.gz": 40_569, "covenant-2020-10-09.ndjson.gz": 37_814}
	type row struct {
		ID   string    `json:"id"`
		At   time.Time `json:"event_time"`
		Host string    `json:"host"`
	}
	parse := func(r *stream.Record) (event, error) {
		var v row
		err := json.Unmarshal(r.Value, &v)
		return event{text: string(r.Value), at: v.At}, err
	}
	for name, n := range names {
		z, err := gzip.NewReader(open(t, filepath.Join(dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		want := byHour{}
		var events []event
		for sc := bufio.NewScanner(z); sc.Scan(); {
			var v row
			if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			want.add(v.At, sc.Text())
			events = append(events, event{sc.Text(), v.At, v.Host})
		}
		if len(events) != n {
			t.Fatalf("%s has %d lines, its README says %d", name, len(events), n)
		}
		compare(t, name, run(t, file.Config{Dir: dir, Patterns: []string{name}}, parse), want)
		hosts := scatter(t, events, 3, 5*time.Minute, "")
		compare(t, name+" by host, in disorder", run(t, file.Config{Dir: hosts}, parse), want)
	}
}
