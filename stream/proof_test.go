package stream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// slowAnswers is a source whose answers about the ends of logs are long on their way.
type slowAnswers struct {
	*streamtest.Source
	takes time.Duration
	asked time.Time // when the last question that was answered came
}

func (s *slowAnswers) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	asked := time.Now()
	proved, err := s.Source.AtEnd(ctx, at)
	elapse(s.takes)
	s.asked = asked
	return proved, err
}

// T34: a record may come to the log while the answer is on its way, so the proof is of the time before the question.
func TestAnEndIsProvedForTheTimeBeforeTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		src := &slowAnswers{Source: log.Source(nil), takes: time.Minute}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(ctx, texts(src), ledger.Output(), &often) }()
		elapse(10 * time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		seen := ledger.Progress(log.Partition(0, 0)).MaxEventTime
		if seen.IsZero() || seen.After(src.asked) {
			t.Errorf("seen is %s, want the time before a question, of which the last was at %s", seen, src.asked)
		}
	})
}

// T17: the time of a proof is the output's, which all instances share. A local clock may be a day ahead.
func TestAnEndIsProvedByTheClockOfTheOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		ledger.Now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
		j := startJob(t, log.Source(nil), ledger.Output(), often)
		elapse(10 * time.Minute)
		j.mustStop()
		seen := ledger.Progress(log.Partition(0, 0)).MaxEventTime
		if now := ledger.Now(); seen.IsZero() || seen.After(now) {
			t.Errorf("seen is %s, but the output's clock is at %s", seen, now)
		}
	})
}
