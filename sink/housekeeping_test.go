package sink_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// littered is a store in which a process has died over several staged files, of which others have gone on.
func littered(t *testing.T) *sinktest.Memory {
	t.Helper()
	mem, _ := memory(noon.Add(5 * time.Hour))
	faulty := sinktest.NewFaulty(mem, nil)
	faulty.Before = func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpClose && c.Key[:3] == "odd" {
			return sinktest.Crash
		}
		return sinktest.Pass
	}
	if err := process(t, faulty, 1); !errors.Is(err, sinktest.ErrCrashed) {
		t.Fatalf("process: %v, want a crash", err)
	}
	noList := sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpStaged {
			return sinktest.Refuse
		}
		return sinktest.Pass
	})
	if err := process(t, noList, 2); err != nil {
		t.Fatalf("staged files cannot be listed: %v, want that the job goes on", err)
	}
	verify(t, mem, "staged files cannot be listed")
	return mem
}

// Credentials that may not list staged files, or a listing that fails for a while, once ended a job within two minutes,
// though no reader waits for leftovers to go.
func TestSweepingThatFailsEndsNoJob(t *testing.T) {
	for _, op := range []sinktest.Op{sinktest.OpStaged, sinktest.OpDiscard} { // littered tries the first, too
		mem := littered(t)
		left, failed := staged(t, mem), 0
		if left == 0 {
			t.Fatal("the crash left no staging, so this tests nothing")
		}
		var kept string // the one file that cannot be deleted
		faulty := sinktest.NewFaulty(mem, nil)
		faulty.Before = func(_ context.Context, c sinktest.Call) sinktest.Mode {
			if c.Op != op || op == sinktest.OpDiscard && kept != "" && c.Key != kept {
				return sinktest.Pass
			}
			kept = c.Key
			failed++
			return sinktest.Refuse
		}
		if err := process(t, faulty, 3); err != nil {
			t.Errorf("%s fails: %v, want that the job goes on", op, err)
		}
		if failed == 0 {
			t.Errorf("%s was not called", op)
		}
		verify(t, mem, string(op)+" fails")
		if n := staged(t, mem); op == sinktest.OpDiscard && n != 1 {
			t.Errorf("%d of %d staged files are left, want the one that cannot be deleted", n, left)
		}
	}
}

func TestUpkeepTellsWhySweepingFails(t *testing.T) {
	mem := littered(t)
	refused := true
	faulty := sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpStaged && refused {
			return sinktest.Refuse
		}
		return sinktest.Pass
	})
	ctx := env.With(t.Context(), stepping(4, faulty)) // a minute at each look
	out, err := sink.Open(ctx, faulty, "job", []sink.Flow[row]{rowsFlow("rows"), oddFlow("odd")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	none := func(context.Context) ([]record.Partition, error) { return nil, nil }
	up, err := out.Maintain(ctx, none)
	if err != nil || !errors.Is(up.Housekeeping, sinktest.ErrFault) {
		t.Errorf("Maintain: %v, %v, want no error and the listing's in Housekeeping", up.Housekeeping, err)
	}
	refused = false
	for range 200 {
		if up, err = out.Maintain(ctx, none); err != nil {
			t.Fatal(err)
		}
	}
	if up.Housekeeping != nil {
		t.Errorf("Housekeeping is %v after it succeeded, want nil", up.Housekeeping)
	}
}

func TestErrorsForAPersonAreMarked(t *testing.T) {
	for _, err := range []error{
		&ledger.CorruptError{Object: "entry 1"}, &ledger.VersionError{Object: "entry 1"}, &ledger.LostError{}, storage.ErrStagingLost,
	} {
		if !errors.Is(err, driver.ErrStop) {
			t.Errorf("%v does not match stream.ErrStop", err)
		}
	}
	for _, err := range []error{storage.ErrPermanent, sinktest.ErrFault, &ledger.VoidError{}} {
		if errors.Is(err, driver.ErrStop) {
			t.Errorf("%v matches stream.ErrStop, but may pass", err)
		}
	}
}
