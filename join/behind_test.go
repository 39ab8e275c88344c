package join_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// 20 of 421 events came out, since some were 50 minutes ahead and the others were pending until those would have been passed.
// With MaxPending the job stopped, and at each start again.
func TestEventsBehindTheClockLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[event](t)
		ledger.Lateness, ledger.Now = -1, func() time.Time { return t0.Add(time.Hour) }
		log.OpenTransaction(0, 0, true) // no proof of the end helps
		add := func(id int, at time.Time) {
			line, err := json.Marshal(event{ID: id, Key: fmt.Sprint("k", id), Left: true, At: at})
			if err != nil {
				t.Fatal(err)
			}
			log.Append(0, 0, at, string(line))
		}
		const ahead, behind, most = 20, 400, 50
		for i := range ahead {
			add(i+1, t0.Add(50*time.Minute))
		}
		for i := range behind {
			add(ahead+i+1, t0.Add(time.Duration(i)*time.Second))
			if i == behind/2 {
				run(t, log, ledger, most) // it begins again where it stopped
			}
		}
		run(t, log, ledger, most)
		if got := len(ledger.Values()); got != behind {
			t.Errorf("%d rows, want those of the %d events that are behind the clock", got, behind)
		}
	})
}

// run lets a job read what there is, for a minute.
func run(t *testing.T, log *streamtest.Log, ledger *streamtest.Ledger[event], most int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *record.Record) (e event, err error) {
		err = json.Unmarshal(r.Value, &e)
		return e, err
	}, func(e *event) time.Time { return e.At }))
	p = stream.Via(p, join.Left((*event).key, (*event).isLeft, (*event).merge, &join.Options{MaxPending: most}))
	if err := stream.Run(ctx, p, ledger.Output(), nil); err != nil {
		t.Fatal(err)
	}
}
