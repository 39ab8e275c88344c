package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// benchText is about 64 MiB of lines as long as those of a click log.
func benchText(csv bool) (text string, n int) {
	var b strings.Builder
	for b.Len() < 64<<20 {
		if csv {
			fmt.Fprintf(&b, "%d,2025-05-01T06:%02d:%02dZ,\"u%d, \"\"x\"\"\",click,/products/%d/details,\"Mozilla/5.0 (X11)\",200,%d\n", n, n/60%60, n%60, n%9973, n%777, n)
		} else {
			fmt.Fprintf(&b, `{"id":"%016x","ts":"2025-05-01T06:%02d:%02d.%03dZ","user":"u%d","kind":"click","url":"/products/%d/details","ua":"Mozilla/5.0 (X11; Linux)","ms":%d}`+"\n",
				n*7919, n/60%60, n%60, n%1000, n%9973, n%777, n%500)
		}
		n++
	}
	return b.String(), n
}

// benchSource reads dir once and returns the number of records.
func benchSource(b *testing.B, c Config, o *Options, from driver.Progress) (n int) {
	b.Helper()
	s, err := Open(c, o)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for {
		batch, err := s.Poll(context.Background())
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		n += len(batch.Records)
		for _, a := range batch.Assigned {
			st := driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{a.Partitions[0]: from}}
			if err := s.Start(context.Background(), st); err != nil {
				b.Fatal(err)
			}
		}
		batch.Release()
	}
}

func BenchmarkRead(b *testing.B) {
	lines, n := benchText(false)
	table, rows := benchText(true)
	for _, c := range []struct {
		name, text, packed string
		n                  int
		format             Format
		o                  Options
	}{
		{"plain", lines, lines, n, NDJSON{}, Options{}},
		{"gzip", lines, gz(lines), n, NDJSON{}, Options{}},
		{"gzip-unchecked", lines, gz(lines), n, NDJSON{}, Options{Unchecked: true}},
		{"zstd", lines, zst(lines), n, NDJSON{}, Options{}},
		{"zstd-unchecked", lines, zst(lines), n, NDJSON{}, Options{Unchecked: true}},
		{"csv-quoted", table, table, rows, CSV{NoHeader: true}, Options{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := Config{Dir: folder(b, map[string]string{"f": c.packed}), Format: c.format}
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				if got := benchSource(b, cfg, &c.o, driver.Progress{}); got != c.n {
					b.Fatalf("%d records, want %d", got, c.n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.n), "ns/line")
		})
	}
}

// What a restart pays to find its line.
func BenchmarkSkip(b *testing.B) {
	text, n := benchText(false)
	cfg := Config{Dir: folder(b, map[string]string{"f": text})}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if got := benchSource(b, cfg, nil, driver.Progress{UpTo: record.Position{Sub: int64(n) - 1}}); got != 1 {
			b.Fatalf("%d records, want 1", got)
		}
	}
}

func BenchmarkColumns(b *testing.B) {
	parse := Columns(CSV{}, []string{"c", "a"}, func(c [][]byte) (int, error) { return len(c[0]) + len(c[1]), nil })
	r := csvRecord("a,b,c,d,e", `2025-05-01T06:00:00Z,"x ""y"" z",/products/12/details,"Mozilla/5.0 (X11)",200`)
	b.ReportAllocs()
	b.SetBytes(int64(len(r.Value)))
	for b.Loop() {
		if _, err := parse(r); err != nil {
			b.Fatal(err)
		}
	}
}
