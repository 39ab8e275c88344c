package e2e

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/streamtest"
)

var errUnreachable = errors.New("the source cannot be reached")

// severed is a source that one process cannot reach for a while. Others can.
type severed struct {
	*streamtest.Source
	from, to time.Time
}

func (s *severed) away() bool { return !time.Now().Before(s.from) && time.Now().Before(s.to) }

// Poll waits, as a client does that connects again and again; what it was waiting for when the network broke does not come.
func (s *severed) Poll(ctx context.Context) (*driver.Batch, error) {
	for {
		if s.away() {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Until(s.to)):
			}
		}
		short, cancel := context.WithDeadline(ctx, s.from)
		if !time.Now().Before(s.to) {
			short = ctx
		}
		b, err := s.Source.Poll(short)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return b, err
		}
	}
}

func (s *severed) AtEnd(ctx context.Context, at map[stream.Partition]stream.Position) ([]stream.Partition, error) {
	if s.away() {
		return nil, errUnreachable
	}
	return s.Source.AtEnd(ctx, at)
}

func (s *severed) Partitions(ctx context.Context) ([]stream.Partition, error) {
	if s.away() {
		return nil, errUnreachable
	}
	return s.Source.Partitions(ctx)
}

// Two processes, and the network breaks between the first and one of what it needs: it has read records that it cannot
// commit, or commits and cannot read. The group gives its lane away when it misses heartbeats, which go to the source; else
// it keeps it, waits and goes on by itself. At most one of the two adds to the ledger, and nothing is lost or there twice.
func TestAProcessThatReachesOnlyOneOfItsTwoSidesDoesNoHarm(t *testing.T) {
	const minutes = 10
	for name, c := range map[string]struct {
		session time.Duration // if it cannot reach the source: after it the lane is given away
		store   sinktest.Mode // what becomes of the first process's requests meanwhile
	}{
		"the source is away":                          {45 * time.Second, sinktest.Pass},
		"the source is away, and the session short":   {5 * time.Second, sinktest.Pass}, // the second has the lane before the first commits
		"the store is away":                           {0, sinktest.Refuse},
		"the store takes requests and answers nobody": {0, sinktest.ApplyThenFail},
		"the store answers late":                      {0, sinktest.ApplyLate},
		"both are away, and the store takes requests": {45 * time.Second, sinktest.ApplyThenFail},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, n := time.Now(), 0
				log, store := streamtest.NewLog(1), &sinktest.Memory{}
				from := begin.Add(10*time.Minute + 31*time.Second)
				to := from.Add(minutes * time.Minute)
				first, second := &severed{Source: log.Source(nil), from: to, to: to}, log.Source(&streamtest.SourceOptions{Lanes: []string{}})
				if c.session > 0 {
					first.from = from
				}
				faulty := sinktest.NewFaulty(store, func(context.Context, sinktest.Call) sinktest.Mode {
					if now := time.Now(); now.Before(from) || !now.Before(to) {
						return sinktest.Pass
					}
					return c.store
				})
				ends, commits := [2]chan error{make(chan error, 1), make(chan error, 1)}, [2]int64{}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				run := func(i int, src stream.Source, to *sinktest.Faulty) {
					ends[i] <- runTicks(ctx, src, to, &stream.Options{Observe: func(s stream.Status) { commits[i] = s.Commits }})
				}
				go run(0, first, faulty)
				go run(1, second, sinktest.NewFaulty(store, nil))
				go func() {
					for ; n < 60*3*minutes; n++ {
						log.Append(0, 0, time.Now(), strconv.Itoa(n))
						<-time.After(time.Second)
					}
					log.EndAll()
				}()
				if c.session > 0 { // heartbeats are missing
					<-time.After(time.Until(from.Add(c.session)))
				} else if err := <-ends[0]; err != nil { // heartbeats go on
					t.Errorf("the first: %v", err)
				}
				first.Revoke(time.Now(), "lane-0")
				second.Assign("lane-0")
				if err := <-ends[1]; err != nil {
					t.Errorf("the second: %v", err)
				}
				if c.session > 0 { // it has nothing to do, and waits for lanes
					stop()
					if err := <-ends[0]; err != nil {
						t.Errorf("the first: %v", err)
					}
				}
				t.Logf("the first made %d commits, the second %d", commits[0], commits[1])
				if least := commits[min(c.session, 1)]; least < minutes {
					t.Errorf("%d commits after the network broke, want at least %d", least, minutes)
				}
				wantTicks(t, store, n)
			})
		})
	}
}
