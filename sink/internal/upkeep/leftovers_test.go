package upkeep_test

import (
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/upkeep"
)

// nothing is a journal of which only the environment is used.
func nothing() *journal.Journal {
	e := env.Default()
	e.Rand = func() uint64 { return 1 << 63 } // jitter is neither nothing nor all
	return &journal.Journal{Objects: &journal.Objects{Env: e}}
}

func TestWhatAnotherLacksIsDoneAfterAWhile(t *testing.T) {
	l := upkeep.NewLeftovers(nothing(), nil, nil)
	now := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	if l.Due(7, now, time.Minute) {
		t.Error("it is done at once")
	}
	if !l.Due(7, now.Add(time.Minute), time.Minute) {
		t.Error("it is not done after the while")
	}
	l.Done(7)
	if l.Due(7, now.Add(time.Minute), time.Minute) {
		t.Error("it is done at once when it is lacked again")
	}
	if l.Due(7, now.Add(time.Minute), 10*time.Second) || !l.Due(7, now.Add(time.Minute+10*time.Second), 10*time.Second) {
		t.Error("an hour waits for it, and it is not done after the shorter while")
	}
}

func TestOnlyWhatIsNotKnownToBePublishedIsUnpublished(t *testing.T) {
	p := upkeep.NewPublisher(nothing())
	unpublished := map[uint64]ledger.Unpublished{3: {}, 5: {}}
	if left := p.Unpublished(unpublished); len(left) != 2 {
		t.Errorf("%v is unpublished, want both", left)
	}
	end := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	p.NoteSealed(end, time.Time{}, time.Time{})
	if e := p.Entry(ledger.KindMark); !e.Sealed.Equal(end) || len(e.Published) != 0 || e.Token == "" {
		t.Errorf("the next entry marks %+v", e)
	}
}
