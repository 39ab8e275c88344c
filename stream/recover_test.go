package stream_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func third(b *[]byte) (byte, error) { return (*b)[2], nil }

func TestAPanicUnderRecoverIsAnErrorThatTellsWhere(t *testing.T) {
	f := record.Recover(third)
	if got, err := f(&[]byte{1, 2, 3}); got != 3 || err != nil {
		t.Errorf("without a panic: %v, %v; want 3", got, err)
	}
	_, err := f(&[]byte{1})
	var p *record.PanicError
	if !errors.As(err, &p) || len(p.Trace) == 0 || !strings.Contains(p.Trace[0], "stream_test.third") ||
		!strings.Contains(p.Trace[0], "recover_test.go:") {
		t.Errorf("got %v, want a PanicError whose trace begins in third", err)
	}
	if s := err.Error(); !strings.Contains(s, "index out of range [2] with length 1") || !strings.Contains(s, "third") {
		t.Errorf("text %q tells neither what nor where", s)
	}
	_, err = record.Recover(func(*int) (int, error) { panic(io.ErrUnexpectedEOF) })(new(int))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want an error that matches what it panicked with", err)
	}
	_, err = record.Recover(func(*int) (int, error) { return 0, io.EOF })(new(int))
	if err != io.EOF { //nolint:errorlint // as it is
		t.Errorf("got %v, want the function's own error as it is", err)
	}
}

// A record that makes a function panic would stop the job at each start.
func TestARecordThatPanicsUnderRecoverIsADeadLetterAndOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		for _, s := range []string{"06:00 a", "06:01 boom", "06:02 b"} {
			log.Append(0, 0, t0, s)
		}
		stage := stream.Map(record.Recover(func(e *text) (text, error) {
			if e.word == "boom" {
				panic("it cannot be")
			}
			return *e, nil
		}))
		j := startJob(t, log.Source(nil), ledger.Output(), often, stage)
		elapse(2 * every)
		j.mustStop()
		wantWords(t, ledger, "a", "b")
		dead := ledger.Dead()
		if len(dead) != 1 || !strings.Contains(dead[0].Err.Error(), "it cannot be") {
			t.Errorf("dead letters %v, want the one that panicked", dead)
		}
		if i := slices.IndexFunc(dead, func(d driver.DeadLetter) bool { return d.Record.Position.Sub == 2 }); i < 0 {
			t.Errorf("dead letters %v, want the second record", dead)
		}
	})
}
