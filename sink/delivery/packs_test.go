package delivery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/sinktest"
)

var decoded = delivery.Options{Poll: -1, Decoded: true}

func TestTransactionsWithPacksAreDeliveredDecoded(t *testing.T) {
	job := deliverytest.NewMergedJob(t, nil)
	commits(job, 3)
	target := &names{}
	run(t, open(t, job.Store, target, decoded))
	job = deliverytest.NewJob(t, job.Store) // the flow is not merged any more
	job.Commit(deliverytest.Rows(31, 40)...)
	job = deliverytest.NewMergedJob(t, job.Store)
	job.Commit(deliverytest.Rows(41, 50)...)
	d := open(t, job.Store, target, decoded)
	run(t, d)
	target.want(t, upTo(50)...)
	if s := d.Status(); s.Rows != 20 || s.Units != 2 {
		t.Errorf("the second run delivered %d rows in %d units, want 20 in 2", s.Rows, s.Units)
	}
}

// The rows of a merged flow are in no file of a transaction, so a target that loads files would have lost them without a word.
func TestTransactionsWithPacksEndADeliveryOfFiles(t *testing.T) {
	job := deliverytest.NewMergedJob(t, nil)
	commits(job, 1)
	target := &names{}
	err := open(t, job.Store, target, once).Run(deliverytest.Context(t.Context()))
	if e, ok := errors.AsType[*delivery.LedgerError](err); !ok || !strings.Contains(err.Error(), "Hourly") || !strings.Contains(err.Error(), "Decoded") {
		t.Errorf("got %v (%v), want an error that says what to do", err, e)
	}
	target.want(t)
	other := once
	other.Flows = []string{"others"}
	run(t, open(t, job.Store, target, other))
	target.want(t)
}

func TestSealedHoursOfAMergedFlowAreDeliveredAsFiles(t *testing.T) {
	job := deliverytest.NewMergedJob(t, nil)
	commits(job, 3)
	job.Seal(deliverytest.Noon.Add(2 * time.Hour))
	target := &names{}
	hourly := once
	hourly.Hourly = true
	run(t, open(t, job.Store, target, hourly))
	target.want(t, upTo(30)...)
}

// A unit whose pack was deleted can never be loaded: the delivery would have tried again for ever.
func TestADeliveryThatComesTooLateForAPackEnds(t *testing.T) {
	job := deliverytest.NewMergedJob(t, nil)
	commits(job, 2)
	store := job.Store.(*sinktest.Memory)
	for o, err := range store.List(t.Context(), "_onceflow/job/e0001/packs/", "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), o.Key); err != nil {
			t.Fatal(err)
		}
	}
	target := &names{}
	err := open(t, store, target, decoded).Run(deliverytest.Context(t.Context()))
	if e, ok := errors.AsType[*delivery.LedgerError](err); !ok || !strings.Contains(err.Error(), "Hourly") || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("got %v (%v), want an error that says that the pack is gone and what to do", err, e)
	}
	target.want(t)
}

// A unit with packs that was parked is found again with them.
func TestAParkedUnitKeepsItsPacks(t *testing.T) {
	job := deliverytest.NewMergedJob(t, nil)
	commits(job, 2)
	target := &names{fail: func(*delivery.Unit) error { return delivery.Refuse(errAway) }}
	d := open(t, job.Store, target, decoded)
	run(t, d)
	target.fail = nil
	parked := d.Status().Parked
	if len(parked) != 2 {
		t.Fatalf("%d units are parked, want 2", len(parked))
	}
	for _, p := range parked {
		if res, err := d.TakeUp(deliverytest.Context(t.Context()), p.Unit); err != nil || res.Rows != 10 {
			t.Errorf("TakeUp: %+v, %v", res, err)
		}
	}
	target.want(t, upTo(20)...)
}

func TestAFaultWhilePacksAreReadLeavesEachRowOnce(t *testing.T) {
	job := deliverytest.NewMergedJob(t, nil)
	commits(job, 2)
	for _, mode := range []sinktest.Mode{sinktest.Refuse, sinktest.ApplyThenFail} {
		for k := 0; ; k++ {
			faulty := sinktest.FailAt(job.Store, k, mode)
			target, o := &names{}, decoded
			o.Logger = new(logged).logger()
			d, err := delivery.Open(deliverytest.Context(t.Context()), faulty, deliverytest.Name, fmt.Sprintf("d%d-%d", mode, k), target, &o)
			if err != nil {
				t.Fatal(err)
			}
			run(t, d)
			target.want(t, upTo(20)...)
			if faulty.Calls() <= k {
				break
			}
		}
	}
}
