package bykey_test

import (
	"fmt"
	"testing"

	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/delivery"
)

// What a worker pays for a transaction of a hundred thousand rows of 15,000 keys, for one key and for a tenth of them.
func BenchmarkKeysOfAPack(b *testing.B) {
	mem, _ := memory()
	j := begin(b, mem, keyed(true))
	var rows []row
	for i := range 100_000 {
		rows = append(rows, row{ID: i, Key: fmt.Sprint("advertiser-", i%15_000), Text: "some text of a click that makes a row as long as it usually is, more or less"})
	}
	j.commit(rows...)
	for _, n := range []int{1, 1500} {
		b.Run(fmt.Sprint(n, " keys"), func(b *testing.B) {
			var count counting
			r := openReader(b, count.store(mem), bykey.Options{})
			var keys []bykey.Path
			for i := range n {
				keys = append(keys, of(fmt.Sprint("advertiser-", i))...)
			}
			got, read := 0, delivery.Lines(func(line []byte) (int, error) { return len(line), nil })
			b.ReportAllocs()
			for b.Loop() {
				for u, err := range r.Transactions(b.Context(), keys, 0, 0) {
					if err != nil {
						b.Fatal(err)
					}
					for p, err := range u.Parts(b.Context()) {
						if err != nil {
							b.Fatal(err)
						}
						for _, err := range bykey.Rows(b.Context(), p, read) {
							if err != nil {
								b.Fatal(err)
							}
							got++
						}
					}
				}
			}
			ranges := 0
			for _, k := range count.ranges {
				ranges += k
			}
			b.ReportMetric(float64(got)/float64(b.N), "rows/op")
			b.ReportMetric(float64(ranges)/float64(b.N), "ranges/op")
			b.ReportMetric(float64(count.bytes)/float64(b.N), "bytes/op")
		})
	}
}
