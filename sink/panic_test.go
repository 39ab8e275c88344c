package sink_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// A record that made Where, a key's value or an encoder panic once killed the process at each start, and nothing that a user
// could put around these functions would have helped. It is a dead letter; no flow has anything of it, also not one that had
// encoded it before.
func TestAPanicOfAUsersFunctionCostsItsRecordOnly(t *testing.T) {
	breaks := func(r *row) bool {
		if r.ID == 3 || r.ID == 4 || r.ID == 7 {
			panic("planted")
		}
		return true
	}
	first, last := rowsFlow("first"), rowsFlow("last")
	for what, flow := range map[string]sink.Flow[row]{
		"Where": {Name: "mid", Format: format.JSONLines[row](), Where: breaks},
		"the value of a key": {Name: "mid", Format: format.JSONLines[row](), Keys: []sink.Key[row]{{Name: "k", Value: func(r *row) string {
			breaks(r)
			return "v"
		}}}},
		"the encoder": {Name: "mid", Format: format.Lines(".txt", func(dst []byte, r *row) ([]byte, error) {
			half := append(dst, "half of it"...)
			breaks(r)
			line, err := json.Marshal(r)
			return append(half[:len(dst)], line...), err
		})},
	} {
		t.Run(what, func(t *testing.T) {
			mem, _ := memory(noon)
			in := open(t, mem, nil, nil, first, flow, last)
			in.acquire("a")
			rows := make([]record.Event[row], 8)
			for i := range rows {
				rows[i] = record.Event[row]{Value: row{ID: i}, Time: noon}
			}
			fates := make([]record.Fate, len(rows))
			bad, err := in.txn.Write(testContext(t), driver.Writer{Lane: "a"}, rows, fates)
			if err != nil {
				t.Fatal(err)
			}
			var at []int
			for _, b := range bad {
				at = append(at, b.Index)
				var p *record.PanicError
				if !errors.As(b.Err, &p) || !strings.Contains(b.Err.Error(), `flow "mid": `+what) || !strings.Contains(p.Trace[0], "panic_test.go:") {
					t.Errorf("row %d: %v, want the panic of %s of the flow, with its place", b.Index, b.Err, what)
				}
			}
			if want := []int{3, 4, 7}; !slices.Equal(at, want) {
				t.Errorf("rows %v are bad, want %v", at, want)
			}
			for i, f := range fates {
				if want := map[bool]record.Fate{true: record.Dead, false: record.Written}[slices.Contains(at, i)]; f != want {
					t.Errorf("row %d: fate %v, want %v", i, f, want)
				}
				in.consume("a", noon, f)
			}
			in.commit()
			for _, name := range []string{"first/", "mid/", "last/"} {
				if got, want := visible(t, mem, name), []int{0, 1, 2, 5, 6}; !slices.Equal(got, want) {
					t.Errorf("flow %s has %v, want %v", name, got, want)
				}
			}
		})
	}
}

// A panic of anything else is not the users' functions': who knows what it left half done.
func TestAPanicOfACodecGoesOn(t *testing.T) {
	mem, _ := memory(noon)
	flow := rowsFlow("rows")
	flow.Codec = panicking{codec.Gzip}
	in := open(t, mem, nil, nil, flow)
	in.acquire("a")
	defer func() {
		if v := recover(); v != "planted in the codec" {
			t.Errorf("recovered %v, want the codec's panic", v)
		}
	}()
	fates := make([]record.Fate, 1)
	for {
		rows := []record.Event[row]{{Value: row{ID: 1}, Time: noon}}
		if _, err := in.txn.Write(testContext(t), driver.Writer{Lane: "a"}, rows, fates); err != nil {
			t.Fatal(err)
		}
	}
}

type panicking struct{ codec.Codec }

func (p panicking) New() codec.Compressor { panic("planted in the codec") }
