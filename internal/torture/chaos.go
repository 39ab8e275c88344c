package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// fault is something that is done to the world. do returns once it is over.
type fault struct {
	name string
	do   func(context.Context) error
}

// faults are those that have nothing to do with the source, and more.
func (w *world) faults(more ...fault) []fault {
	fs := append([]fault{
		{"pause a worker", w.pauseWorker}, {"stop a worker", w.stopWorker},
		{"one more worker", w.moreWorkers}, {"one worker less", w.lessWorkers},
	}, more...)
	if w.minio != nil {
		fs = append(fs, fault{"kill the store", w.killStore})
	}
	if w.Toxics {
		fs = append(fs, fault{"bad network", w.badNetwork}, fault{"bad network", w.badNetwork})
	}
	return slices.DeleteFunc(fs, func(f fault) bool { return !strings.Contains(f.name, w.Only) })
}

// kafkaFaults are all that befall a job on Kafka.
func (w *world) kafkaFaults() []fault {
	if w.BrokerEvery > 0 {
		return w.faults()
	}
	return w.faults(fault{"kill a broker", w.killBroker})
}

// chaos kills workers, and does other things in between, until enough were killed.
func (w *world) chaos(ctx context.Context) error {
	if err := w.wait(ctx, time.Minute, "the first rows", func() bool { return w.watch.rows() > 0 }); err != nil {
		return err
	}
	for w.report.Kills < w.Kills && ctx.Err() == nil {
		if !w.Calm {
			f := w.what[w.rnd.IntN(len(w.what))]
			w.Say("%4d kills: %s", w.report.Kills, f.name)
			w.report.Faults++
			if err := f.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
		if w.report.Kills == w.Kills/3 && w.prod != nil && w.prod.parts.Load() == parts {
			if err := w.addPartitions(); err != nil {
				return err
			}
		}
		measure := w.Calm || w.rnd.IntN(2) == 0 // else on top of what is still going on
		if measure {
			if err := w.recovered(ctx, time.Now(), false); err != nil {
				return err
			}
		}
		if err := w.killWorker(ctx, measure); err != nil {
			return err
		}
		if err := w.crew.replace(); err != nil {
			return err
		}
		sleep(ctx, time.Duration(w.rnd.Int64N(int64(time.Second))))
	}
	return ctx.Err()
}

func (w *world) killWorker(ctx context.Context, measure bool) error {
	v := w.crew.take()
	if v == nil {
		return w.crew.add()
	}
	at := time.Now()
	v.kill()
	w.report.Kills++
	if w.rnd.IntN(2) == 0 {
		sleep(ctx, time.Duration(w.rnd.Int64N(int64(2*time.Second))))
	}
	if w.crew.size() == 0 {
		at = time.Now() // nobody could take over before one begins
	}
	if err := w.crew.add(); err != nil || !measure {
		return err
	}
	return w.recovered(ctx, at, true)
}

// recovered waits until records that were acknowledged after a moment can be read, of all partitions. If it counts, no
// fault was near but the kill of a worker at that moment, and the time is bounded.
func (w *world) recovered(ctx context.Context, since time.Time, count bool) error {
	if err := w.wait(ctx, 2*time.Minute, "the job to recover", func() bool { return w.reached(since) }); err != nil {
		return fmt.Errorf("%w: %s is not there", err, w.awaited)
	}
	took := time.Since(since)
	if !count {
		w.report.Relief = max(w.report.Relief, took)
		return nil
	}
	w.Say("           recovery took %.1f s, last came %s", took.Seconds(), w.awaited)
	w.report.Recovery = max(w.report.Recovery, took)
	w.report.Recoveries++
	if w.Recovery > 0 && took > w.Recovery {
		w.report.Wrong = append(w.report.Wrong, fmt.Sprintf("at kill %d the recovery took %.1f s, at most %v is right", w.report.Kills, took.Seconds(), w.Recovery))
	}
	return nil
}

// kafkaReached reports whether of each busy partition something can be read that was acknowledged after a moment.
func (w *world) kafkaReached(since time.Time) bool {
	for t, p := range w.log.firstSince(since) {
		if w.watch.readable(t.topic, int32(t.n)) <= p {
			w.awaited = fmt.Sprintf("offset %d of partition %d of %s", p, t.n, t.topic)
			return false
		}
	}
	return w.log.busySince(since, w.prod.parts.Load())
}

// wait waits for what other processes do.
func (w *world) wait(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	for end := time.Now().Add(limit); !ok(); sleep(ctx, 50*time.Millisecond) {
		if err := w.crew.replace(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %v in vain for %s", limit, what)
		}
	}
	return nil
}

// pauseWorker makes a zombie: the group takes its lanes away, and then it goes on.
func (w *world) pauseWorker(ctx context.Context) error {
	v := w.crew.take()
	if v == nil {
		return nil
	}
	v.pause()
	sleep(ctx, session+time.Duration(w.rnd.Int64N(int64(3*session))))
	v.resume()
	w.crew.give(v)
	return nil
}

func (w *world) stopWorker(context.Context) error {
	v := w.crew.take()
	if v == nil {
		return nil
	}
	if err := v.stop(40 * time.Second); err != nil {
		w.report.Wrong = append(w.report.Wrong, err.Error())
	}
	return w.crew.add()
}

func (w *world) moreWorkers(context.Context) error {
	if w.crew.size() >= 4 {
		return nil
	}
	return w.crew.add()
}

func (w *world) lessWorkers(context.Context) error {
	if w.crew.size() <= 1 {
		return nil
	}
	v := w.crew.take()
	if v == nil {
		return nil
	}
	if err := v.stop(40 * time.Second); err != nil {
		w.report.Wrong = append(w.report.Wrong, err.Error())
	}
	return nil
}

func (w *world) killBroker(ctx context.Context) error {
	i := w.rnd.IntN(w.Brokers)
	w.kafka.Kill(i)
	sleep(ctx, time.Duration(w.rnd.Int64N(int64(3*time.Second))))
	return w.kafka.Restart(ctx, i)
}

// withBrokerKills kills one broker after the other while f runs.
func (w *world) withBrokerKills(ctx context.Context, f func(context.Context) error) error {
	if w.BrokerEvery == 0 {
		return f(ctx)
	}
	ctx, stop := context.WithCancel(ctx)
	var killer sync.WaitGroup
	var failed error
	killer.Go(func() {
		for i := 0; failed == nil; i++ {
			sleep(ctx, w.BrokerEvery)
			if ctx.Err() != nil {
				return
			}
			w.kafka.Kill(i % w.Brokers)
			w.report.BrokerKills++
			sleep(ctx, w.BrokerEvery/10)
			failed = w.kafka.Restart(context.WithoutCancel(ctx), i%w.Brokers)
		}
	})
	err := f(ctx)
	stop()
	killer.Wait()
	return errors.Join(err, failed)
}

func (w *world) killStore(ctx context.Context) error {
	w.front.Kill()
	sleep(ctx, time.Duration(w.rnd.Int64N(int64(3*time.Second))))
	return w.minio.Restart(ctx)
}

// badNetwork spoils the connections to a broker or to the store for a while.
func (w *world) badNetwork(ctx context.Context) error {
	name := w.proxies[w.rnd.IntN(len(w.proxies))]
	ways := []struct {
		kind, stream string
		how          map[string]int
	}{
		{"latency", "downstream", map[string]int{"latency": 300, "jitter": 200}},
		{"reset_peer", "downstream", map[string]int{"timeout": 100}},
		{"timeout", "downstream", map[string]int{"timeout": 0}},     // a black hole
		{"limit_data", "downstream", map[string]int{"bytes": 3000}}, // replies that are cut
		{"slicer", "downstream", map[string]int{"average_size": 100, "size_variation": 50, "delay": 10}},
	}
	way := ways[w.rnd.IntN(len(ways))]
	w.Say("           %s on %s", way.kind, name)
	if err := w.proxy.Toxic(ctx, name, way.kind, way.stream, way.how); err != nil {
		return err
	}
	sleep(ctx, time.Second+time.Duration(w.rnd.Int64N(int64(3*time.Second))))
	return w.proxy.Reset(ctx)
}

func (w *world) addPartitions() error {
	w.Say("           two more partitions for each topic")
	err := w.admin(func(a sarama.ClusterAdmin) error {
		for _, t := range topics {
			if err := a.CreatePartitions(t, parts+2, nil, false); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.prod.parts.Store(parts + 2)
	}
	return err
}

// sleep passes real time: what is waited for here has no signal.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
