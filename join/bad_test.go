package join_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// wire is an event as its senders write it.
type wire struct {
	ID   string
	Key  string
	Left bool
	At   float64 // seconds since 1970
}

func (w *wire) id() string      { return w.ID }
func (w *wire) key() string     { return w.Key }
func (w *wire) isLeft() bool    { return w.Left }
func (w *wire) merge(*wire)     {}
func (w *wire) time() time.Time { return time.Unix(0, int64(w.At*1e9)) }

func parseWire(r *record.Record) (w wire, err error) {
	if strings.Contains(string(r.Value), `"NaN"`) { // JSON has none, other formats do
		return wire{ID: "n", Key: "a", At: math.NaN()}, nil
	}
	err = json.Unmarshal(r.Value, &w)
	return w, err
}

// What has no usable key or time is a dead letter and disturbs nobody; what has no ID is passed on.
func TestKeysOfAWrongTypeAndTimesThatAreNoneAreDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[wire](t)
		ledger.Lateness = -1
		for _, line := range []string{
			`{"ID": "1", "Key": "a", "Left": true, "At": 1746082800}`,
			`{"ID": "2", "Key": ["a"], "At": 1746082801}`,
			`{"ID": 3, "Key": "a", "At": 1746082801}`,
			`{"ID": "4", "Key": "a", "At": "noon"}`,
			`{"ID": "5", "Key": "a"}`,
			`"NaN"`,
			`{"ID": "6", "Key": "a", "At": 1e18}`,
			`{"ID": "", "Key": "", "At": 1746082801}`,
			`{"ID": "", "Key": "", "At": 1746082801}`,
			`{"ID": "7", "Key": "a", "At": 1746082802}`,
		} {
			log.Append(0, 0, t0, line)
		}
		log.EndAll()
		var st dedup.Stats
		p := stream.Via(stream.From(log.Source(nil)), stream.Decode(parseWire, (*wire).time))
		p = stream.Via(p, dedup.ByID(dedup.NewMemory(nil), (*wire).id, &dedup.Options{Stats: &st}))
		p = stream.Via(p, join.Left((*wire).key, (*wire).isLeft, (*wire).merge, nil))
		if err := stream.Run(t.Context(), p, ledger.Output(), &stream.Options{Future: 1 << 62}); err != nil {
			t.Fatal(err)
		}
		if got, want := ledger.Counts(), (record.Counts{record.Written: 3, record.Merged: 1, record.Dead: 6}); got != want {
			t.Errorf("fates %v, want %v", got, want)
		}
		if st.Empty.Load() != 2 {
			t.Errorf("%d events without an ID were counted, want 2", st.Empty.Load())
		}
	})
}
