package avro_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/onceflow/onceflow/internal/hourtest"
	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/format"
)

// The rows of a key are read before their hour is sealed, as an Avro file of their own.
func TestPartsOfAMergedFlowAreAvroFiles(t *testing.T) {
	for _, c := range codecs {
		all, flow := many(30_000), views(t, schema, c)
		h := hourtest.Write(t, hourtest.Options{}, hourtest.Commit[view]{Flow: flow, Rows: all[:100]}, hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[100:]})
		paths := []bykey.Path{{{Name: "k", Value: "large"}}}
		for i := range 50 {
			paths = append(paths, bykey.Path{{Name: "k", Value: fmt.Sprint("k", i)}})
		}
		r, err := bykey.Open(t.Context(), h.Store, "job", "views", &bykey.Options{Poll: -1, Format: flow.Format.(format.Joiner)})
		if err != nil {
			t.Fatal(err)
		}
		var got []view
		for u, err := range r.Transactions(t.Context(), paths, 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for p, err := range u.Parts(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if !p.Hour.Equal(hourtest.Noon) {
					continue // of what closes the hour
				}
				text, err := p.Text(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(text)
				if err != nil {
					t.Fatal(err)
				}
				rows := read(t, b)
				if int64(len(rows)) != p.Rows {
					t.Errorf("%s: a part of %s has %d rows, it says %d", c, p.Path, len(rows), p.Rows)
				}
				got = append(got, rows...)
			}
		}
		if text(sorted(got)) != text(all) {
			t.Errorf("%s: %d rows were read, other than the %d written", c, len(got), len(all))
		}
	}
}
