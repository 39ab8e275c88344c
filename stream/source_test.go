package stream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// tired is a source that fails after some batches, and that uses a Batch again as soon as it is released.
type tired struct {
	*streamtest.Source
	batches int // with records, before err
	err     error
}

func (s *tired) Poll(ctx context.Context) (*driver.Batch, error) {
	if s.batches == 0 {
		return nil, s.err
	}
	b, err := s.Source.Poll(ctx)
	if b == nil || err != nil {
		return b, err
	}
	if len(b.Records) > 0 {
		s.batches--
	}
	done := b.Done
	b.Done = func() {
		if done != nil {
			done()
		}
		*b = driver.Batch{}
	}
	return b, nil
}

// What a source gave before its error was read in vain by every run: a job whose log ended in a damaged part committed
// nothing of what was before it, unless a commit happened to be due.
func TestWhatASourceGaveBeforeItsErrorIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog(1)
		log.Append(0, 0, t0, "06:00 a", "06:01 b")
		ledger := streamtest.NewLedger[text](t)
		damage := errors.New("damaged")
		err := stream.Run(t.Context(), texts(&tired{log.Source(nil), 1, damage}), ledger.Output(), nil)
		if !errors.Is(err, damage) || !strings.Contains(err.Error(), "stream: poll: damaged") {
			t.Errorf("got %v, want the source's error", err)
		}
		got := words(ledger.Rows())
		if len(got) == 0 || !slices.Equal(got, []string{"a", "b"}[:len(got)]) {
			t.Errorf("rows of what came before the error: %v", got)
		}
	})
}

// The engine looked at the size of a batch after it had released it: with a source that uses its batches again the lane
// stayed paused for ever, or memory was counted that nobody used.
func TestABatchIsNotLookedAtAfterItsRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog(1)
		var want []string
		for range 5000 {
			log.Append(0, 0, t0, "06:00 a", "06:01 b")
			want = append(want, "a", "b")
		}
		log.EndAll()
		ledger := streamtest.NewLedger[text](t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // of synctest's time
		defer cancel()
		src := &tired{log.Source(nil), 1 << 30, nil}
		if err := stream.Run(ctx, texts(src), ledger.Output(), &stream.Options{Memory: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		if got := words(ledger.Rows()); !slices.Equal(got, want) {
			t.Errorf("got %d rows, want %d", len(got), len(want))
		}
	})
}
