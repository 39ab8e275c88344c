package torture

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Latency is how long records took from the broker's acknowledgement to a manifest that covers them.
type Latency struct {
	Records       int
	Rate          float64 // records a second that were produced
	P50, P99, Max time.Duration
}

// sample is the last record of a batch that was produced.
type sample struct {
	at     time.Time
	offset int64
}

// MeasureLatency lets one process read o.Rate records a second for a while, with nothing being broken.
func MeasureLatency(ctx context.Context, o Options, during time.Duration) (*Latency, error) {
	o.Brokers, o.Toxics, o.Rate = 1, false, cmp.Or(o.Rate, 1000)
	o.Seed = 1
	k := &kafkaWorld{world: newWorld(&o, topics[:])}
	w := k.world
	defer k.tearDown()
	if err := k.setUp(ctx); err != nil {
		return nil, err
	}
	if err := w.crew.add(); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	samples := map[string][]sample{}
	r := &Latency{}
	producing, stop := context.WithTimeout(ctx, during)
	defer stop()
	begin := time.Now()
	var all sync.WaitGroup
	errs := make(chan error, len(topics)*parts)
	for _, t := range topics {
		for p := range int32(parts) {
			all.Go(func() {
				errs <- k.pump(producing, t, p, o.Rate/len(topics)/parts, func(n int, s sample) {
					mu.Lock()
					defer mu.Unlock()
					r.Records += n
					name := fmt.Sprintf("%s/%d", t, p)
					samples[name] = append(samples[name], s)
				})
			})
		}
	}
	all.Wait()
	r.Rate = float64(r.Records) / time.Since(begin).Seconds()
	close(errs)
	for err := range errs {
		if err != nil {
			return nil, err
		}
	}
	took, err := k.covered(ctx, samples)
	if err != nil {
		return nil, err
	}
	took = took[len(took)/10:] // the start is not what is measured
	slices.Sort(took)
	r.P50, r.P99, r.Max = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	return r, errors.Join(w.crew.stopAll()...)
}

// pump writes records to one partition at a pace.
func (k *kafkaWorld) pump(ctx context.Context, topic string, partition int32, rate int, done func(int, sample)) error {
	c := k.prod.config()
	sp, err := sarama.NewSyncProducer(k.kafka.Brokers(), c)
	if err != nil {
		return err
	}
	defer func() { _ = sp.Close() }() // it only reads
	const every = 50 * time.Millisecond
	n, tick := 0, time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		var ms []*sarama.ProducerMessage
		for range max(1, rate*int(every)/int(time.Second)) {
			n++
			ms = append(ms, &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value(topic, n, time.Now()))})
		}
		if err := sp.SendMessages(ms); err != nil {
			return err
		}
		done(len(ms), sample{time.Now(), ms[len(ms)-1].Offset})
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// covered reads all manifests, with the times at which they were created, and returns how long each sample took.
func (k *kafkaWorld) covered(ctx context.Context, samples map[string][]sample) (took []time.Duration, err error) {
	type cover struct {
		at   time.Time
		upTo int64
	}
	covers := map[string][]cover{}
	read := map[string]bool{}
	complete := func() bool {
		list, e := k.world.rig.bucket.list(ctx, "_onceflow/"+job+"/e0001/manifests/", "")
		err = e
		for _, o := range list {
			if read[o.key] || err != nil {
				continue
			}
			var body []byte
			var m manifest
			if body, err = k.world.rig.bucket.get(ctx, o.key); err == nil {
				err = json.Unmarshal(body, &m)
			}
			read[o.key] = true
			for _, p := range m.Partitions {
				c := cover{at: o.at}
				_, _ = fmt.Sscan(p.UpTo, &c.upTo)
				name := path.Base(p.Source) + "/" + p.ID
				covers[name] = append(covers[name], c)
			}
		}
		for name, ss := range samples {
			last := ss[len(ss)-1].offset
			if !slices.ContainsFunc(covers[name], func(c cover) bool { return c.upTo > last }) {
				return false
			}
		}
		return true
	}
	if e := k.world.wait(ctx, time.Minute, "all records", complete); e != nil || err != nil {
		return nil, errors.Join(e, err)
	}
	for name, ss := range samples {
		cs := covers[name]
		slices.SortFunc(cs, func(a, b cover) int { return int(a.upTo - b.upTo) })
		for _, s := range ss {
			i := slices.IndexFunc(cs, func(c cover) bool { return c.upTo > s.offset })
			took = append(took, cs[i].at.Sub(s.at))
		}
	}
	return took, nil
}
