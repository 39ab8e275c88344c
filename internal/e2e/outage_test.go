package e2e

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// tick is the event that a log has every few seconds: its number.
type tick struct {
	n  int
	at time.Time
}

func (t *tick) time() time.Time { return t.at }

func parseTick(r *stream.Record) (t tick, err error) {
	t.n, err = strconv.Atoi(string(r.Value))
	t.at = r.Time
	return t, err
}

// runTicks is one process of a job that writes ticks, until ctx or the log ends.
func runTicks(ctx context.Context, src stream.Source, store sink.Store, o *stream.Options) error {
	text := format.Lines(".txt", func(dst []byte, t *tick) ([]byte, error) { return strconv.AppendInt(dst, int64(t.n), 10), nil })
	out, err := sink.Open(ctx, store, "e2e", []sink.Flow[tick]{{Name: "all", Format: text}}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, stream.Via(stream.From(src), stream.Decode(parseTick, (*tick).time)), seal.Hourly(out, nil), o)
}

// wantTicks checks that each of n ticks is in the store once, and counts the seals.
func wantTicks(t *testing.T, store *sinktest.Memory, n int) (seals int) {
	t.Helper()
	got := make([]int, n)
	for o, err := range store.List(t.Context(), "all/", "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(o.Key, "/_SEALED") {
			seals++
			continue
		}
		body, err := store.Read(t.Context(), o.Key, o.Size)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(body)) {
			i, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil || i >= n {
				t.Fatalf("%s has the row %q, %v", o.Key, line, err)
			}
			got[i]++
		}
	}
	for i, times := range got {
		if times != 1 {
			t.Fatalf("tick %d is there %d times", i, times)
		}
	}
	return seals
}

// outage is a time in which a store does nothing. It counts what is asked of it meanwhile.
type outage struct {
	from, to time.Time
	hangs    bool   // requests are not answered, instead of refused
	creates  string // if set, only objects below such a name cannot be created: stores throttle by prefix

	mu    sync.Mutex
	calls int
}

func (o *outage) before(ctx context.Context, c sinktest.Call) sinktest.Mode {
	if now := time.Now(); now.Before(o.from) || !now.Before(o.to) {
		return sinktest.Pass
	}
	if o.creates != "" && (c.Op != sinktest.OpCreate || !strings.Contains(c.Key, o.creates)) {
		return sinktest.Pass
	}
	o.mu.Lock()
	o.calls++
	o.mu.Unlock()
	if o.hangs {
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(o.to)):
		}
	}
	return sinktest.Refuse
}

// A store that throttles everything for ten minutes, or is away for a day: whoever keeps the process running, with the
// pauses that Kubernetes makes, need do nothing else. There is no storm of requests, memory stays within its bound, and
// afterwards each row is there once and each hour sealed.
func TestAStoreMayBeAwayForLong(t *testing.T) {
	for name, c := range map[string]struct {
		outage *outage
		last   time.Duration
		starts int // at most
	}{
		"throttled for a minute":      {&outage{}, time.Minute, 1},
		"throttled for ten minutes":   {&outage{}, 10 * time.Minute, 1},
		"unreachable for ten minutes": {&outage{hangs: true}, 10 * time.Minute, 1},
		"throttled for a day":         {&outage{}, 24 * time.Hour, 1},
		"unreachable for a day":       {&outage{hangs: true}, 24 * time.Hour, 1},
		"ledger throttled for hours":  {&outage{creates: "/s0000/"}, 6 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const memory = 16 << 10
				begin, n := time.Now(), 0
				log, store := streamtest.NewLog(1), &sinktest.Memory{}
				away := c.outage
				away.from = begin.Add(30*time.Minute + 20*time.Second)
				away.to = away.from.Add(c.last)
				go func() { // the world goes on for an hour after the outage
					for ; time.Now().Before(away.to.Add(time.Hour)); n++ {
						log.Append(0, 0, time.Now(), strconv.Itoa(n))
						<-time.After(5 * time.Second)
					}
					log.EndAll()
				}()
				most, starts := int64(0), 0
				opts := &stream.Options{Memory: memory, Observe: func(s stream.Status) { most = max(most, s.Bytes) }}
				for pause := 10 * time.Second; ; pause = min(2*pause, 5*time.Minute) {
					starts++
					err := runTicks(t.Context(), log.Source(nil), sinktest.NewFaulty(store, away.before), opts)
					if err == nil {
						break
					}
					if !errors.Is(err, sinktest.ErrFault) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("start %d ended with %v", starts, err)
					}
					t.Logf("ended after %v: %v", time.Since(begin), err)
					<-time.After(pause)
				}
				seals := wantTicks(t, store, n)
				if want := int(time.Since(begin) / time.Hour); seals < want {
					t.Errorf("%d hours are sealed, want %d", seals, want)
				}
				rate := float64(away.calls) / c.last.Minutes()
				t.Logf("%d starts, %d requests while it was away: %.1f a minute; %d rows, %d seals, at most %d bytes", starts, away.calls, rate, n, seals, most)
				if away.calls == 0 || rate > 120 || starts > c.starts {
					t.Errorf("%.1f requests a minute and %d starts, want some, at most 120 and %d", rate, starts, c.starts)
				}
				if most > 2*memory {
					t.Errorf("it had %d bytes, more than twice its bound of %d", most, memory)
				}
			})
		})
	}
}
