package lane

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
)

// A large batch passes the stages in steps. What comes out is what comes of the records one by one, and the batch is the
// source's again only after the last step: rows of pending records that came back wait in its bytes.
func TestALargeBatchInStepsIsTheSameAsItsRecordsOneByOne(t *testing.T) {
	const n, back = 3*stepRecords + 5, 2 * stepRecords / 10 * 10
	var values []string
	for i := range n {
		name := fmt.Sprint("r", i)
		orders := name + ":emit=" + name
		switch i % 10 {
		case 3:
			orders = name + ":hold"
		case 4: // lets go of one that was pending two steps before
			orders = name + ":drop=old"
			if i > back {
				pending := fmt.Sprint("r", i-1-back)
				orders += fmt.Sprintf(" %s:release %s:emit=%s", pending, pending, pending)
			}
		case 7:
			orders = name + ":reject=no"
		case 8:
			orders = name + ":emit=bad"
		}
		values = append(values, name+" "+orders)
	}
	whole, single := newTestLane(t, nil, &say{}), newTestLane(t, nil, &say{})
	b := whole.batch(0, values...)
	done := 0
	b.Done = func() {
		if done++; len(whole.txn.rows) < n/2 {
			t.Errorf("the batch was given back after %d rows", len(whole.txn.rows))
		}
	}
	if err := whole.try(b); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		single.feed(0, v)
	}
	if !slices.Equal(whole.txn.rows, single.txn.rows) || whole.counts() != single.counts() || len(whole.txn.dead) != len(single.txn.dead) {
		t.Errorf("got %d rows, fates %v, %d dead letters; one by one %d, %v, %d", len(whole.txn.rows), whole.counts(), len(whole.txn.dead),
			len(single.txn.rows), single.counts(), len(single.txn.dead))
	}
	if done != 1 || whole.core.flight.slots.live == 0 || whole.core.flight.slots.live != single.core.flight.slots.live {
		t.Errorf("given back %d times, %d records pending, want 1 and %d", done, whole.core.flight.slots.live, single.core.flight.slots.live)
	}
}

func TestPositionsOfABatchMustAscendBeyondAStep(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	b := &driver.Batch{Lane: "p/0"}
	for i := range stepRecords {
		b.Records = append(b.Records, rec(0, int64(i+1), "a"))
	}
	b.Records = append(b.Records, rec(0, stepRecords-3, "b"))
	if err := l.try(b); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "came behind") {
		t.Errorf("got %v, want an error that names the position", err)
	}
}
