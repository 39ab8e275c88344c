package parquet_test

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/parquet"
)

// hit has tags that both packages read in the same way.
type hit struct {
	ID      int64     `parquet:"id"`
	At      time.Time `parquet:"at,timestamp(microsecond)"`
	User    string    `parquet:"user,dict"`
	Note    *string   `parquet:"note,dict"`
	Amount  int64     `parquet:"amount,decimal(2:18)"`
	Score   float64   `parquet:"score"`
	OK      bool      `parquet:"ok"`
	City    city      `parquet:"city"`
	Tags    []string  `parquet:"tags,list"`
	Payload []byte    `parquet:"payload"`
}

type city struct {
	Name string  `parquet:"name,dict"`
	Zip  *int32  `parquet:"zip"`
	Lat  float64 `parquet:"lat"`
}

func hits(n int) []hit {
	rows := make([]hit, n)
	for i := range rows {
		r := hit{
			ID: int64(i), At: time.Unix(1767330000+int64(i%3600), int64(i%1000)*1000).UTC(), User: fmt.Sprint("user-", i%97), Amount: int64(i) * 7,
			Score: float64(i) / 3, OK: i%2 == 0, Payload: fmt.Append(nil, "payload-", i*7919), City: city{Name: fmt.Sprint("city", i%13), Lat: float64(i % 90)},
		}
		if i%3 == 0 {
			r.Note, r.City.Zip = ptr(fmt.Sprint("note ", i%50)), ptr(int32(i))
		}
		if i%2 == 0 {
			r.Tags = []string{"a", fmt.Sprint("b", i%5)}
		}
		rows[i] = r
	}
	return rows
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Rows into a file: by parquet-go alone, in batches and row by row, and by a direct or merged flow. A row of the latter is first encoded,
// which is measured alone, too.
func BenchmarkRows(b *testing.B) {
	const n = 50_000
	rows := hits(n)
	f := must[hit](b)(parquet.For[hit](nil))
	e := f.Open()
	raw := encode(b, e, rows)
	// measured runs a loop, and tells its processor time: that on the wall is of others, too.
	measured := func(name string, loop func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu(b)
			loop(b)
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/n, "cpu-ns/row")
		})
	}
	for name, batch := range map[string]int{"bare/batches": 1000, "bare/rows": 1} {
		measured(name, func(b *testing.B) {
			for b.Loop() {
				w := pq.NewGenericWriter[hit](io.Discard, pq.Compression(&zstd.Codec{Level: zstd.DefaultLevel}))
				for i := 0; i < n; i += batch {
					if _, err := w.Write(rows[i : i+batch]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	measured("encode", func(b *testing.B) {
		dst := raw[:0:0]
		for b.Loop() {
			dst = dst[:0]
			for i := range rows {
				var err error
				if dst, err = e.Encode(dst, &rows[i]); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	measured("direct", func(b *testing.B) {
		for b.Loop() {
			direct(b, f, rows, n)
		}
	})
	measured("merge", func(b *testing.B) {
		join := f.(format.Joiner).Join()
		for b.Loop() {
			file, err := join.Begin(io.Discard, e.Header(nil), 0)
			if err == nil {
				err = file.Rows(raw, n)
			}
			if err == nil {
				err = file.Close()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
