package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// tap is a source that a test reads by hand.
type tap struct {
	*testing.T
	s     *Source
	lanes []driver.Assignment
	got   []string
	at    map[record.Partition]record.Position
	dead  []driver.DeadLetter
	ended []driver.Ended
}

func (f *fake) tap(t *testing.T, o *Options) *tap {
	p := &tap{T: t, s: f.open(t, o), at: map[record.Partition]record.Position{}}
	t.Cleanup(func() {
		if err := p.s.Close(); err != nil {
			t.Error(err)
		}
	})
	for len(p.lanes) == 0 {
		b, err := p.s.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.lanes = append(p.lanes, b.Assigned...)
	}
	return p
}

// read is a tap that was started at the beginning and polled for a time.
func (f *fake) read(t *testing.T, during time.Duration) *tap {
	t.Helper()
	p := f.tap(t, nil)
	if err := p.start(nil); err != nil {
		t.Fatal(err)
	}
	if err := p.poll(during); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tap) start(from map[record.Partition]driver.Progress) error {
	for _, a := range p.lanes {
		st := driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{}}
		for _, id := range a.Partitions {
			st.From[id] = from[id]
		}
		if err := p.s.Start(p.Context(), st); err != nil {
			return err
		}
	}
	return nil
}

// poll takes what comes within d.
func (p *tap) poll(d time.Duration) error {
	ctx, cancel := context.WithTimeout(p.Context(), d)
	defer cancel()
	for {
		b, err := p.s.Poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Records {
			r := &b.Records[i]
			p.got = append(p.got, string(r.Value))
			p.at[*r.Partition] = r.Position
		}
		for _, d := range b.Passed {
			p.at[d.Partition] = d.UpTo
		}
		p.dead, p.ended = append(p.dead, b.Unreadable...), append(p.ended, b.Ended...)
		b.Release()
	}
}

func (p *tap) want(values ...string) {
	p.Helper()
	if got, want := strings.Join(p.got, " "), strings.Join(values, " "); got != want {
		p.Errorf("got %q, want %q", got, want)
	}
}

func numbers(f *fake, shard, from, to int) (values []string) {
	for i := from; i < to; i++ {
		v := fmt.Sprintf("v%d", i)
		f.put(shard, v, []byte(v))
		values = append(values, v)
	}
	return values
}

// Each kind of failure comes at the third request and lasts for a while; all passes, and nothing is lost or doubled.
func TestWhatPassesIsTriedAgain(t *testing.T) {
	for name, err := range map[string]error{
		"throttled":         &types.ProvisionedThroughputExceededException{},
		"limit":             &types.LimitExceededException{},
		"key throttled":     &types.KMSThrottlingException{},
		"key disabled":      &types.KMSDisabledException{},
		"expired iterator":  &types.ExpiredIteratorException{},
		"no such iterator":  &types.InvalidArgumentException{},
		"permission":        &types.AccessDeniedException{},
		"internal":          &types.InternalFailureException{},
		"connection is cut": errors.New("EOF"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(1)
				want := numbers(f, 0, 0, 40)
				n := 0
				f.before = func(op, _ string) error {
					if op != "GetRecords" {
						return nil
					}
					if n++; n >= 3 && n < 12 && n%4 != 0 {
						return err
					}
					return nil
				}
				p := f.read(t, 5*time.Minute)
				p.want(want...)
			})
		})
	}
}

// All readers of a shard share five reads a second, so one that is refused asks less often, and one that is not never more.
func TestReadsKeepToTheLimitsOfAShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		numbers(f, 0, 0, 7*40)
		var mu sync.Mutex // the source reads on while the test looks
		var reads []time.Time
		refuse := false
		f.before = func(op, _ string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == "GetRecords" {
				reads = append(reads, time.Now())
				if refuse {
					return &types.ProvisionedThroughputExceededException{}
				}
			}
			return nil
		}
		p := f.read(t, 8*time.Second)
		mu.Lock()
		for i := 5; i < len(reads); i++ {
			if d := reads[i].Sub(reads[i-5]); d < time.Second {
				t.Errorf("six reads within %v", d)
			}
		}
		refuse = true
		before := len(reads)
		mu.Unlock()
		if err := p.poll(time.Minute); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if n := len(reads) - before; n > 15 {
			t.Errorf("%d reads in a minute of refusals", n)
		}
		refuse, before = false, len(reads)
		mu.Unlock()
		if err := p.poll(time.Minute); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if n := len(reads) - before; n < 25 { // it once was 8
			t.Errorf("%d reads in the minute after that", n)
		}
	})
}

// Nothing new for hours with more behind is neither the end of the log nor idle.
func TestEmptyAnswersAreNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		empty := 0
		f.after = func(_ string, out *kinesis.GetRecordsOutput) {
			if empty < 20 {
				empty++
				it, _, _ := strings.Cut(aws.ToString(out.NextShardIterator), "/")
				out.Records, out.MillisBehindLatest, out.NextShardIterator = nil, aws.Int64(5000), aws.String(it+"/0")
			}
		}
		want := numbers(f, 0, 0, 3)
		p := f.tap(t, nil)
		if err := p.start(nil); err != nil {
			t.Fatal(err)
		}
		part := f.partition(0)
		if proved, err := p.s.AtEnd(t.Context(), map[record.Partition]record.Position{part: {}}); len(proved) > 0 || err != nil {
			t.Errorf("AtEnd proved %v (%v) by an empty answer", proved, err)
		}
		if err := p.poll(time.Minute); err != nil {
			t.Fatal(err)
		}
		p.want(want...)
		if proved, err := p.s.AtEnd(t.Context(), p.at); len(proved) != 1 || err != nil {
			t.Errorf("AtEnd proved %v (%v), want the shard", proved, err)
		}
	})
}

// What follows the end of a closed shard is in its children, and may be older than now.
func TestAClosedShardProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		numbers(f, 0, 0, 3)
		p := f.read(t, 900*time.Millisecond)
		f.replace([]int{0}, "0", halfLess, half, wholeRange)
		if proved, err := p.s.AtEnd(t.Context(), p.at); len(proved) != 0 || err != nil {
			t.Errorf("AtEnd proved %v (%v) of a closed shard", proved, err)
		}
		if err := p.poll(time.Minute); err != nil {
			t.Fatal(err)
		}
		if len(p.ended) != 1 || len(p.ended[0].Children) != 2 || p.ended[0].Children[1] != f.partition(2) {
			t.Errorf("ended: %v, want shard 0 with its two children", p.ended)
		}
	})
}

// Of the log that a job was away from for longer than it is kept, nobody can tell what was in it.
func TestWhatRetentionTookIsLost(t *testing.T) {
	for _, c := range []struct {
		name    string
		age     time.Duration // of the last record that was consumed
		trimmed int           // records that are gone, of which the job had consumed 10
		lost    bool
	}{
		{"all is there", 20 * time.Hour, 0, false},
		{"what was consumed is gone", 20 * time.Hour, 10, false},
		{"more is gone", 25 * time.Hour, 12, true},
		{"nobody knows", 25 * time.Hour, 10, true},
		{"long idle, and the last record is there", 25 * time.Hour, 9, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(1)
				f.age = c.age
				numbers(f, 0, 0, 10)
				last := f.shards[0].log[9]
				f.age = time.Hour
				rest := numbers(f, 0, 10, 20)
				f.shards[0].trimmed = c.trimmed
				p := f.tap(t, nil)
				part := f.partition(0)
				err := p.start(map[record.Partition]driver.Progress{part: {
					UpTo: record.Position{Seq: *last.SequenceNumber, Sub: 1}, Arrived: *last.ApproximateArrivalTimestamp,
				}})
				if err == nil {
					err = p.poll(10 * time.Second)
				}
				if errors.Is(err, driver.ErrLost) != c.lost || !c.lost && err != nil {
					t.Fatalf("got %v, lost should be %v", err, c.lost)
				}
				if !c.lost {
					p.want(rest...)
				}
			})
		})
	}
}

// A pending record that the stream has dropped cannot come back.
func TestPendingRecordsThatAreGoneAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		numbers(f, 0, 0, 10)
		at := func(i int) record.Position {
			return record.Position{Seq: *f.shards[0].log[i].SequenceNumber, Sub: 1}
		}
		from := map[record.Partition]driver.Progress{f.partition(0): {
			UpTo: at(8), Pending: driver.PendingSet{First: at(2), Ordinals: []uint32{0, 3}, Through: 7}, Arrived: time.Now(),
		}}
		f.shards[0].trimmed = 3
		p := f.tap(t, nil)
		if err := p.start(from); err != nil {
			t.Fatal(err)
		}
		if err := p.poll(10 * time.Second); !errors.Is(err, driver.ErrLost) {
			t.Errorf("got %v, want ErrLost", err)
		}
	})
}

// T21: a stream that was deleted and made again under its name is another one. Its beginning is not skipped in silence.
func TestAStreamMadeAgainIsLost(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running %v", running), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, false)
				w.hit(0, "a", "")
				stop := w.run("one", nil)
				wait(30 * time.Second)
				if !running {
					if err := stop(); err != nil {
						t.Fatal(err)
					}
				}
				again := newFake(1)
				w.fake.mu.Lock()
				w.fake.shards, w.fake.created = again.shards, time.Now()
				w.fake.mu.Unlock()
				w.hit(0, "b", "")
				if !running {
					stop = w.run("two", nil)
				}
				wait(3 * time.Minute)
				if err := stop(); !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), "made again") {
					t.Errorf("got %v, want ErrLost that says what happened", err)
				}
			})
		})
	}
}

// A shard that expires before it was read to its end takes records with it.
func TestAShardThatExpiredUnreadIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, false)
		w.hit(0, "a", "")
		stop := w.run("one", nil)
		wait(30 * time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		w.hit(0, "b", "")
		w.fake.replace([]int{0}, "0", halfLess, half, wholeRange)
		w.fake.shards[0].trimmed = -1 // no longer listed
		stop = w.run("two", nil)
		wait(time.Minute)
		if err := stop(); !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), s0) {
			t.Errorf("got %v, want ErrLost that names the shard", err)
		}
	})
}

// A stream that is gone for good stops the job; it does not wait for ever.
func TestADeletedStreamStopsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, false)
		w.hit(0, "a", "")
		stop := w.run("one", nil)
		wait(30 * time.Second)
		w.fake.mu.Lock()
		w.fake.deleted = true
		w.fake.mu.Unlock()
		wait(time.Minute)
		if err := stop(); err == nil || !strings.Contains(err.Error(), "deleted") {
			t.Errorf("got %v, want an error that says that the stream was deleted", err)
		}
	})
}

// A list of shards makes two processes share a stream, and their children with it.
func TestAListOfShardsIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, false)
		stopA, stopB := w.run("a", &Options{Shards: []string{s0}}), w.run("b", &Options{Shards: []string{s1}})
		wait(10 * time.Second)
		w.want("of a", w.lanes("a"), s0)
		w.want("of b", w.lanes("b"), s1)
		w.fake.replace([]int{1}, half, wholeRange)
		wait(2 * time.Minute)
		w.want("of a", w.lanes("a"), s0)
		w.want("of b", w.lanes("b"), s2)
		if err := errors.Join(stopA(), stopB()); err != nil {
			t.Error(err)
		}
	})
}

// A shard in which nothing happens for longer than records are kept has lost nothing: the proofs that its log ends are
// kept. Only time in which nobody looked counts.
func TestAnIdleShardHasLostNothing(t *testing.T) {
	for away, lost := range map[time.Duration]bool{10 * time.Minute: false, 3 * time.Hour: true} {
		t.Run(away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, false)
				w.fake.keeps = 2 // hours, and clocks alone are committed once an hour
				w.hit(0, "a", "")
				stop := w.run("one", nil)
				wait(130 * time.Minute)
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				w.fake.shards[0].trimmed = 1
				wait(away)
				stop = w.run("two", nil)
				w.hit(0, "b", "")
				wait(time.Minute)
				if err := stop(); errors.Is(err, driver.ErrLost) != lost {
					t.Fatalf("got %v, lost should be %v", err, lost)
				}
			})
		})
	}
}
