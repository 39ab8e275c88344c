package sink_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/hourtest"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
)

// textFlow is a merged flow of CSV with a header, or of CSV with tabs, whose key 0 has as many bytes as all others.
func textFlow(c codec.Codec, comma byte, header ...string) sink.Flow[row] {
	f := keyed(true)
	f.Codec = c
	f.Format = format.CSV(header, func(r *format.Row, v *row) {
		r.Int(int64(v.ID))
		for range header[1:] {
			r.String(v.Kind)
		}
	}, &format.CSVOptions{Comma: comma})
	return f
}

func textRows(keys int, from, to int) (all []row) {
	for id := from; id < to; id++ {
		r := row{ID: id, Key: fmt.Sprint("a", id%keys), Kind: "x,\ty\r\n\"z\""}
		if id%keys == 0 {
			r.Kind = strings.Repeat(r.Kind, keys)
		}
		all = append(all, r)
	}
	return all
}

// records reads a file as any reader of CSV does, and returns the header and the IDs.
func records(t *testing.T, f hourtest.File, comma byte) (header []string, ids []int) {
	t.Helper()
	plain, err := codec.NewReader(f.Key, bytes.NewReader(f.Body))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	body, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(body))
	r.Comma = rune(comma)
	all, err := r.ReadAll() // each record must have as many fields as the first
	if err != nil || len(all) < 2 {
		t.Fatalf("%s: %d records, %v", f.Key, len(all), err)
	}
	for _, record := range all[1:] {
		id, err := strconv.Atoi(record[0])
		if err != nil {
			t.Fatalf("%s: a header within: %q", f.Key, record)
		}
		ids = append(ids, id)
	}
	return all[0], ids
}

func TestAMergedFileHasOneHeader(t *testing.T) {
	const keys = 40
	for _, c := range []codec.Codec{codec.None, codec.Gzip, codec.Zstd, codec.LZ4, codec.S2, codec.Snappy} {
		for _, comma := range []byte{',', '\t'} {
			flow := textFlow(c, comma, "id", "kind")
			h := hourtest.Write(t, hourtest.Options{},
				hourtest.Commit[row]{Flow: flow, Rows: textRows(keys, 0, 4000)},
				hourtest.Commit[row]{Flow: flow, Rows: textRows(keys, 4000, 4007)}, // most keys have no row
				hourtest.Commit[row]{Flow: flow, Rows: textRows(keys, 4007, 8000)})
			n := 0
			for _, f := range h.Files {
				header, ids := records(t, f, comma)
				if !slices.Equal(header, []string{"id", "kind"}) || int64(len(ids)) != f.Rows || ids[0] >= 4000 || !slices.Contains(ids, ids[0]+7960) {
					t.Errorf("%s has the header %q and %d rows, its record says %d; the first is %d", f.Key, header, len(ids), f.Rows, ids[0])
				}
				n += len(ids)
			}
			if len(h.Files) != keys || n != 8000 {
				t.Errorf("codec %q: %d files with %d rows, want %d with 8000", c.Ext(), len(h.Files), n, keys)
			}
		}
	}
}

// A deploy adds a column within an hour, so that some keys have rows of both kinds.
func TestAHeaderThatChangedBeginsAnotherFile(t *testing.T) {
	h := hourtest.Write(t, hourtest.Options{},
		hourtest.Commit[row]{Flow: textFlow(codec.Gzip, ',', "id", "kind"), Rows: textRows(2, 0, 10)},
		hourtest.Commit[row]{Flow: textFlow(codec.Gzip, ',', "id", "kind", "again"), Rows: textRows(2, 10, 20)},
		hourtest.Commit[row]{Flow: textFlow(codec.Gzip, ',', "id", "kind", "again"), Rows: textRows(2, 20, 30)})
	if len(h.Files) != 4 {
		t.Errorf("%d files, want one for each of two headers and keys", len(h.Files))
	}
	for _, f := range h.Files {
		header, ids := records(t, f, ',')
		if want := map[bool]int{false: 5, true: 10}[len(header) == 3]; len(ids) != want {
			t.Errorf("%s has %d rows behind the header %q, want %d", f.Key, len(ids), header, want)
		}
	}
}

// framed is JSON lines with an end, as formats with a footer have one. A header has a name and whom it was made by.
type framed struct{ name, by string }

func (f framed) Ext() string               { return ".framed" }
func (f framed) Join() format.Join         { return framing{} }
func (f framed) Open() format.Encoder[row] { return framedEncoder{f, format.JSONLines[row]().Open()} }

type framedEncoder struct {
	framed
	format.Encoder[row]
}

func (f framedEncoder) Header([]byte) []byte { return []byte(f.name + " " + f.by) }

func (f framedEncoder) Block(dst, rows []byte, _ int) ([]byte, error) {
	return append(append(dst, "block\n"...), rows...), nil
}

type framing struct{}

func (framing) Name() string           { return "framed" }
func (framing) BlockBytes() int        { return 0 }
func (framing) Alike(a, b []byte) bool { return nameOf(a) == nameOf(b) }

func nameOf(header []byte) string {
	name, _, _ := strings.Cut(string(header), " ")
	return name
}

func (framing) Begin(w io.Writer, header []byte, _ int64) (format.File, error) {
	_, err := fmt.Fprintf(w, "%s\n", nameOf(header))
	return &framedFile{w: w}, err
}

type framedFile struct {
	w    io.Writer
	rows int64
}

func (f *framedFile) Rows(rows []byte, n int64) error {
	f.rows += n
	_, err := f.w.Write(rows)
	return err
}

func (f *framedFile) Block(block []byte, n int64) error {
	rows, ok := bytes.CutPrefix(block, []byte("block\n"))
	if !ok {
		return errors.New("no block")
	}
	return f.Rows(rows, n)
}

func (f *framedFile) Waiting() int64 { return 0 }

func (f *framedFile) Close() error {
	_, err := fmt.Fprintf(f.w, "%d\n", f.rows)
	return err
}

// framedIDs reads a file, whose first line is its name and whose last one is the number of its rows.
func framedIDs(t *testing.T, f hourtest.File, name string) (ids []int) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(f.Body), "\n"), "\n")
	last := len(lines) - 1
	if lines[0] != name || lines[last] != fmt.Sprint(f.Rows) || int64(last-1) != f.Rows {
		t.Fatalf("%s begins with %q, has %d lines and ends with %q; it should have %d rows", f.Key, lines[0], last-1, lines[last], f.Rows)
	}
	for _, line := range lines[1:last] {
		var r row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

func framedFlow(name, by string, merge bool) sink.Flow[row] {
	f := keyed(merge)
	f.Format = framed{name, by}
	return f
}

func TestAFormatMayEndItsFilesItself(t *testing.T) {
	for _, merge := range []bool{false, true} {
		h := hourtest.Write(t, hourtest.Options{},
			hourtest.Commit[row]{Flow: framedFlow("one", "me", merge), Rows: textRows(3, 0, 9000)},
			hourtest.Commit[row]{Flow: framedFlow("one", "you", merge), Rows: textRows(3, 9000, 9001)},
			hourtest.Commit[row]{Flow: framedFlow("two", "you", merge), Rows: textRows(3, 9001, 9003)})
		var ids []int
		for _, f := range h.Files {
			name, _, _ := strings.Cut(string(f.Body), "\n")
			ids = append(ids, framedIDs(t, f, name)...)
		}
		slices.Sort(ids)
		if want := map[bool]int{false: 3 + 1 + 2, true: 3 + 2}[merge]; len(h.Files) != want || len(ids) != 9003 || slices.Compact(ids)[9002] != 9002 {
			t.Errorf("merged %t: %d files with %d rows, want %d with 9003", merge, len(h.Files), len(ids), want)
		}
	}
}

// H9
func TestPacksOfAFormatThatNobodyKnowsWaitForAProcessThatDoes(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	in := open(t, store, quarter, nil, framedFlow("one", "me", true))
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon, 1, 1, 2)...)
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 3)...)
	in.commit()
	in = open(t, store, quarter, nil, keyed(true))
	in.acquire("a")
	up, err := in.tryMaintain("a")
	if err != nil || up.Unclosed == nil || !strings.Contains(up.Unclosed.Error(), "a flow with their format") {
		t.Errorf("got %+v, %v, want a sentence about what to do", up, err)
	}
	if got := keys(t, store, noonFolder); len(got) != 0 {
		t.Errorf("the hour has %s", got)
	}
	nothing := framedFlow("one", "you", false)
	nothing.Name, nothing.Where = "nothing", func(*row) bool { return false }
	in = open(t, store, quarter, nil, keyed(true), nothing)
	in.acquire("a")
	in.maintain("a")
	if got := keys(t, store, noonFolder); len(got) != 2 {
		t.Errorf("the hour has %s, want a file and a seal", got)
	}
}

func TestAJoinWithoutBlocksIsRefused(t *testing.T) {
	store, _ := memory(noon)
	f := keyed(true)
	f.Format = blockless{framed{}}
	if _, err := tryOpen(t, store, quarter, nil, f); err == nil || !strings.Contains(err.Error(), "make no blocks") {
		t.Errorf("got %v", err)
	}
}

type blockless struct{ framed }

func (blockless) Open() format.Encoder[row] { return format.JSONLines[row]().Open() }
