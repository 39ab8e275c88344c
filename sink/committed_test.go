package sink_test

import (
	"errors"
	"testing"

	"github.com/onceflow/onceflow/sink"
)

// Who went on behind an entry that the ledger does not have, or whose successor was deleted, waited for it for ever.
func TestAReaderGoesOnOnlyFromAPositionOfTheLedger(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	for id := range 3 {
		in.write("a", noon, id)
		in.commit()
	}
	tail, err := sink.FindTail(testContext(t), store, "job", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	read := func(after uint64) (last error) {
		for _, err := range sink.Committed(testContext(t), store, "job", after, nil) { // it would wait for more
			return err
		}
		return nil
	}
	if e, ok := errors.AsType[*sink.PositionError](read(tail.Entry + 5)); !ok || e.After != tail.Entry+5 || e.Last != tail.Entry {
		t.Errorf("ahead of %d entries: %v", tail.Entry, e)
	}
	if err := store.Delete(t.Context(), "_onceflow/job/e0001/s0000/00000000000000000002"); err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*sink.LostError](read(1)); !ok {
		t.Errorf("entry 2 was deleted: %v", e)
	}
}

func TestAFlowIsKnownByItsClaim(t *testing.T) {
	store, _ := memory(noon)
	open(t, store, nil, nil, rowsFlow("rows"))
	for flow, want := range map[string]bool{"rows": true, "views": false} {
		if got, err := sink.HasFlow(t.Context(), store, "job", flow, nil); got != want || err != nil {
			t.Errorf("flow %q: %t, %v; want %t", flow, got, err, want)
		}
	}
}
