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
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// t0 is in the past of the clock that synctest begins with.
var t0 = time.Date(1999, 12, 31, 6, 0, 0, 0, time.UTC)

// text is an event with its time, written "06:30 text".
type text struct {
	at   time.Time
	word string
}

func parseText(r *record.Record) (text, error) {
	clock, word, ok := strings.Cut(string(r.Value), " ")
	if !ok {
		return text{}, errors.New("no time")
	}
	at, err := time.Parse("2006-01-02 15:04", "1999-12-31 "+clock)
	return text{at, word}, err
}

func (t *text) time() time.Time { return t.at }

func texts(src driver.Source) stream.Pipe[text] {
	return stream.Via(stream.From(src), stream.Decode(parseText, (*text).time))
}

func words(rows []streamtest.Row[text]) (w []string) {
	for _, r := range rows {
		w = append(w, r.Value.word)
	}
	slices.Sort(w)
	return w
}

// runToEnd runs a job whose source ends.
func runToEnd[T any](t *testing.T, p stream.Pipe[T], out driver.Output[T], opts *stream.Options) {
	t.Helper()
	if err := stream.Run(t.Context(), p, out, opts); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

func TestRunWritesEveryRecordOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog(1, 2)
		log.Append(0, 0, t0, "06:00 a", "06:01 b", "no-time", "06:02 c", "06:03 d")
		log.Append(1, 0, t0, "06:00 e", "06:01 f")
		log.Append(1, 1, t0, "06:00 g")
		log.EndAll()
		ledger := streamtest.NewLedger[text](t)
		runToEnd(t, texts(log.Source(nil)), ledger.Output(), nil)
		if got, want := words(ledger.Rows()), []string{"a", "b", "c", "d", "e", "f", "g"}; !slices.Equal(got, want) {
			t.Errorf("got rows %v, want %v", got, want)
		}
		if got, want := ledger.Counts(), (record.Counts{record.Written: 7, record.Dead: 1}); got != want {
			t.Errorf("got fates %v, want %v", got, want)
		}
		dead := ledger.Dead()
		if len(dead) != 1 || string(dead[0].Record.Value) != "no-time" || dead[0].Stage != "decode" {
			t.Errorf("got dead letters %+v, want the record without a time", dead)
		}
		// Again on the finished log: nothing new.
		cuts := len(ledger.Cuts())
		runToEnd(t, texts(log.Source(nil)), ledger.Output(), nil)
		if got := len(ledger.Cuts()); got != cuts {
			t.Errorf("the second run committed %d times, want 0", got-cuts)
		}
	})
}

func TestRunCommitsWhatIsDoneWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog(1)
		log.Append(0, 0, t0, "06:00 a", "06:01 b")
		ledger := streamtest.NewLedger[text](t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		out := ledger.Output()
		go func() { ended <- stream.Run(ctx, texts(log.Source(nil)), out, nil) }()
		synctest.Wait()
		if got := ledger.Rows(); len(got) != 0 {
			t.Errorf("%d rows before the first commit, want 0", len(got))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		if got, want := words(ledger.Rows()), []string{"a", "b"}; !slices.Equal(got, want) {
			t.Errorf("got rows %v, want %v", got, want)
		}
		if n := out.Open(); n != 0 {
			t.Errorf("%d transactions are left open, want 0", n)
		}
	})
}

func TestRunCommitsByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog(1)
		ledger := streamtest.NewLedger[text](t)
		ledger.Lateness = -1
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- stream.Run(ctx, texts(log.Source(nil)), ledger.Output(), &stream.Options{CommitEvery: 10 * time.Second})
		}()
		for i := range 3 {
			log.Append(0, 0, t0, "06:00 a")
			elapse(23 * time.Second)
			if got := len(ledger.Rows()); got != i+1 {
				t.Errorf("%d rows after %d appends, want all committed", got, i+1)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A child of an ended partition may begin once the end is committed, so that does not wait for the next time.
func TestASplitIsCommittedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		j := startJob(t, log.Source(nil), ledger.Output(), stream.Options{CommitEvery: time.Hour})
		log.Append(0, 0, t0, "06:00 a")
		child := record.Partition{Source: "log", ID: "child"}
		log.End(0, 0, child)
		synctest.Wait()
		g := ledger.Progress(log.Partition(0, 0))
		if !g.Ended || !slices.Equal(g.Children, []record.Partition{child}) || g.UpTo.Sub != 1 {
			t.Errorf("the ledger says %+v, want the end and the child", g)
		}
		j.cancel()
		<-j.ended
	})
}
