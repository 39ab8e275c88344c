package engines

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream"
)

// event is what goes in. Place is the key of the flows, so readers find it in the rows and in the folders.
type event struct {
	ID    int64     `json:"id" avro:"id" parquet:"id"`
	N     int64     `json:"n" avro:"n" parquet:"n"`
	Price float64   `json:"price" avro:"price" parquet:"price"`
	OK    bool      `json:"ok" avro:"ok" parquet:"ok"`
	Text  string    `json:"text" avro:"text" parquet:"text"`
	Note  *string   `json:"note" avro:"note" parquet:"note"`
	At    time.Time `json:"at" avro:"at" parquet:"at"`
	Place string    `json:"place" avro:"place" parquet:"place"`
}

func parse(r *stream.Record) (e event, err error) { return e, json.Unmarshal(r.Value, &e) }
func (e *event) time() time.Time                  { return e.At }
func (e *event) place() string                    { return e.Place }
func (e *event) isOK() bool                       { return e.OK }

// header has the names of the columns in files that have no names of their own.
var header = []string{"id", "n", "price", "ok", "text", "note", "at", "place"}

// hours are those of all events, on two days. The one between them has no event, and a seal.
var hours = []time.Time{
	time.Date(2025, 5, 1, 22, 0, 0, 0, time.UTC),
	time.Date(2025, 5, 2, 0, 0, 0, 0, time.UTC),
}

// places are keys that the layout writes as they are, and such as it escapes.
var places = []string{"plain", "é", "日本", "a b", "100%", "x=y", "p/q", ""}

// texts are those that a reader might take for something else, or cut.
var texts = []string{
	"", " ", " edges ", "a,b;c|d", "tab\there", `quote " and 'single'`, "line\nbreak", "CRLF\r\nbreak", `back\slash\n`, `\N`, `\.`,
	"NULL", "null", "NA", "nan", "None", "true", "007", "1e5", "2025-05-01", "2025-05-01T06:00:00Z", "é日本🙂", "\u2028separator",
	"\ufeffmark", "=1+1", "#comment", `{"a":1}`, "[1]", strings.Repeat("long ", 2000),
}

// inputs are the events of each file that the job reads, in three runs of it: two files, two more, and one whose hours are closed.
func inputs() [3][][]event {
	var next int64
	plain := func(hour time.Time, place string) event {
		next++
		note := "note"
		return event{
			ID: next, N: next * 1000, Price: float64(next) + 0.5, OK: next%2 == 0, Text: "text", Note: &note,
			At: hour.Add(time.Duration(next) * 1_000_001 * time.Microsecond), Place: place,
		}
	}
	some := func(rows int) (all []event) {
		for _, h := range hours {
			for _, p := range places {
				for range rows {
					all = append(all, plain(h, p))
				}
			}
		}
		return all
	}
	odd := func(set func(e *event)) event {
		e := plain(hours[0], places[0])
		set(&e)
		return e
	}
	first := some(3)
	for _, s := range texts {
		first = append(first, odd(func(e *event) { e.Text = s }))
	}
	for _, s := range []string{"", "NULL", `\N`} {
		first = append(first, odd(func(e *event) { e.Note = &s }))
	}
	for range 3 {
		first = append(first, odd(func(e *event) { e.Note = nil }))
	}
	for _, n := range []int64{math.MaxInt64, math.MinInt64, 1<<53 + 1, -1, 0} {
		first = append(first, odd(func(e *event) { e.N = n }))
	}
	for _, f := range []float64{0.1, 0.1 + 0.2, 1e22, 1.0 / 3, -123456789.125, 5e-324, math.MaxFloat64, 7} {
		first = append(first, odd(func(e *event) { e.Price = f }))
	}
	return [3][][]event{{first, some(2)}, {some(2), some(1)}, {some(1)}}
}

// onTime and late are the events by their IDs.
func onTime() map[int64]*event { in := inputs(); return byID(in[0], in[1]) }
func late() map[int64]*event   { in := inputs(); return byID(in[2]) }

func byID(runs ...[][]event) map[int64]*event {
	all := map[int64]*event{}
	for _, files := range runs {
		for _, events := range files {
			for i := range events {
				all[events[i].ID] = &events[i]
			}
		}
	}
	return all
}
