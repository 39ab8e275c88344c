package stream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestFlatMapTakesBackWhatARejectedRecordYielded(t *testing.T) {
	split := stream.FlatMap(func(s *string, yield func(string)) error {
		for _, w := range strings.Fields(*s) {
			if w == "bad" {
				return errors.New("bad word")
			}
			yield(w)
		}
		return nil
	})
	l := streamtest.Open(t, split)
	got := l.FeedAll([]record.Event[string]{{Value: "a b", Time: t0}, {Value: "c bad d", Time: t0}, {Value: "", Time: t0}, {Value: "e", Time: t0}})
	if want := []string{"a", "b", "e"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := l.Fates(), (record.Counts{record.Written: 2, record.Filtered: 1, record.Dead: 1}); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
}

func TestDecodeManyIsOneRecordOfManyEvents(t *testing.T) {
	type line struct {
		at   time.Time
		text string
	}
	lines := stream.DecodeMany(func(r *record.Record, yield func(line)) error {
		for s := range strings.Lines(string(r.Value)) {
			minute, text, ok := strings.Cut(strings.TrimSpace(s), " ")
			if !ok {
				return errors.New("no text")
			}
			d, err := time.ParseDuration(minute)
			if err != nil {
				return err
			}
			yield(line{t0.Add(d), text})
		}
		return nil
	}, func(l *line) time.Time { return l.at })
	l := streamtest.Open(t, lines)
	got := l.Feed(t0, record.Record{Value: []byte("1m a\n2m b\n")})
	if len(got) != 2 || got[1].text != "b" || !got[1].at.Equal(t0.Add(2*time.Minute)) {
		t.Errorf("got %v, want a and b", got)
	}
	if got := l.Feed(t0, record.Record{Value: []byte("1m a\nbroken\n")}); len(got) != 0 {
		t.Errorf("of a broken record: got %v, want nothing", got)
	}
	if got, want := l.Fates(), (record.Counts{record.Written: 1, record.Dead: 1}); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
}

func TestDropsAreCountedByTheirReason(t *testing.T) {
	l := streamtest.Open(t, stream.Filter("odd", func(n *int) bool { return *n%2 == 0 }))
	for n := range 5 {
		l.Feed(t0, n)
	}
	if !slices.Equal(l.Out, []int{0, 2, 4}) || l.Reasons()["odd"] != 2 {
		t.Errorf("got %v and reasons %v, want 0, 2, 4 and two odd", l.Out, l.Reasons())
	}
}

func TestMapSendsErrorsToTheDeadLetters(t *testing.T) {
	l := streamtest.Open(t, stream.Map(func(n *int) (string, error) {
		if *n < 0 {
			return "", errors.New("negative")
		}
		return strings.Repeat("x", *n), nil
	}))
	l.Feed(t0, 2)
	l.Feed(t0, -1)
	if got := l.Rejected(); !slices.Equal(l.Out, []string{"xx"}) || len(got) != 1 || got[0].Error() != "negative" {
		t.Errorf("got %v and errors %v, want xx and one error", l.Out, got)
	}
}

// One event time for all purposes: not the clock's reading, not the zone.
func TestDecodedTimesAreUTCWithoutMonotonicReading(t *testing.T) {
	now := time.Now().In(time.FixedZone("east", 3600))
	var got time.Time
	l := streamtest.Open(t, stream.Compose(
		stream.Decode(func(*record.Record) (int, error) { return 1, nil }, func(*int) time.Time { return now }),
		stage.Stage[int, int](stream.Func[int, int](func(_ context.Context, in []record.Event[int], _ *stage.Emitter[int]) error {
			got = in[0].Time
			return nil
		}))))
	l.Feed(t0, record.Record{})
	if want := now.Round(0).UTC(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
