package stream

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
)

// lateTxn finds rows late that say so.
type lateTxn struct{ nullTxn[string] }

func (t *lateTxn) Write(_ context.Context, _ driver.Writer, rows []record.Event[string], fates []record.Fate) ([]driver.BadRow, error) {
	for i := range rows {
		fates[i] = record.Written
		if strings.HasPrefix(rows[i].Value, "late") {
			fates[i] = record.Late
		}
	}
	return nil, nil
}

// 7,702 late rows of a forgotten file and 3,387 useless seals went by without a word.
func TestLateAndDeadRowsAreToldWhenTheyBegin(t *testing.T) {
	p := Via(From(nil), Decode(func(r *record.Record) (string, error) { return string(r.Value), nil }, nil))
	p = Via(p, Map(func(s *string) (string, error) {
		if why, dead := strings.CutPrefix(*s, "dead "); dead {
			return "", errors.New(why)
		}
		return *s, nil
	}))
	c := openCore(t, p, map[record.Partition]driver.Progress{onePart: {MaxEventTime: minute(0)}}, driver.Txn[string](&lateTxn{}))
	read := int64(0)
	feed := func(values ...string) {
		b := &driver.Batch{Lane: "p/0"}
		for _, v := range values {
			read++
			b.Records = append(b.Records, recordAt(read, v, minute(read)))
		}
		process(t, c, b)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	var b statusBoard
	commit := func(at time.Duration, values ...string) (late, dead int) {
		out.Reset()
		feed(values...)
		b.tellBeginnings(log, minute(0).Add(at), []core.Cut{cutOfCore(t, c), {}})
		return strings.Count(out.String(), `msg="late rows begin"`), strings.Count(out.String(), `msg="dead letters begin"`)
	}
	if late, dead := commit(0, "x"); late+dead > 0 {
		t.Errorf("all is well, and it says\n%s", &out)
	}
	if late, dead := commit(0, "late1", "late2", "dead why", "dead why"); late != 1 || dead != 1 {
		t.Errorf("two late and two dead records: %d and %d lines, want one of each in\n%s", late, dead, &out)
	}
	for _, want := range []string{"partition=p/0", "position=2", "behind=3m0s", "position=4", `error=why`, "event_time="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	for i := range 30 { // they go on for half an hour
		if late, dead := commit(time.Duration(i)*time.Minute, "late", "dead why"); late+dead > 0 {
			t.Fatalf("they have begun before, and it says\n%s", &out)
		}
	}
	if late, dead := commit(31*time.Minute, "dead other"); late != 0 || dead != 1 {
		t.Errorf("another kind of dead letter: %d and %d lines, want 0 and 1", late, dead)
	}
	if late, dead := commit(41*time.Minute, "late", "dead why", "dead other"); late != 1 || dead != 1 {
		t.Errorf("12 minutes after they stopped: %d and %d lines, want 1 and 1 in\n%s", late, dead, &out)
	}
}
