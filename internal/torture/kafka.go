package torture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
)

// kafkaWorld is a world whose workers read two topics of Kafka.
type kafkaWorld struct {
	world *world
	kafka *servers.Kafka
	prod  *producer
}

// Run does it all. An error means that it could not be done; what is wrong with the output is in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	o.Kills, o.Brokers, o.Rate = cmp.Or(o.Kills, 10), cmp.Or(o.Brokers, 1), cmp.Or(o.Rate, 1000)
	o.Store = cmp.Or(o.Store, "s3")
	k := &kafkaWorld{world: newWorld(&o, topics[:])}
	w := k.world
	defer k.tearDown()
	defer func() {
		if err != nil && ctx.Err() == nil && w.crew != nil {
			w.crew.dump() // something hangs
		}
	}()
	if err := k.setUp(ctx); err != nil {
		return nil, err
	}
	var producers []func(context.Context)
	for _, t := range topics {
		producers = append(producers, func(ctx context.Context) { k.prod.plain(ctx, t) })
	}
	producers = append(producers, func(ctx context.Context) { k.prod.transactional(ctx, topics[0]) })
	return w.report, w.run(ctx, producers, func(ctx context.Context) error { return k.withBrokerKills(ctx, w.chaos) })
}

func (k *kafkaWorld) setUp(ctx context.Context) (err error) {
	example := "kafka-to-s3"
	if k.world.o.Store == "gcs" {
		example = "kafka-to-gcs"
	}
	if err := k.world.rig.begin(ctx, example); err != nil {
		return err
	}
	ko := &servers.KafkaOptions{Brokers: k.world.o.Brokers, Dir: k.world.o.Dir, Properties: map[string]string{"offsets.retention.minutes": "60"}}
	if k.world.o.Toxics {
		ko.Advertise = func(port int) (int, error) { return k.world.rig.behind(ctx, fmt.Sprintf("kafka-%d", port), port) }
	}
	if k.kafka, err = servers.StartKafka(ctx, k.world.rig.cache, ko); err != nil {
		return err
	}
	args := []string{
		"-brokers", strings.Join(k.kafka.Brokers(), ","), "-topics", strings.Join(topics[:], ","), "-job", job, "-time", "at",
		"-hour", hour.String(), "-lateness", lateness.String(), "-commit", commit.String(), "-session", session.String(),
		"-memory", fmt.Sprint(64 << 20),
	}
	to, env, err := k.world.rig.setUpStore(ctx)
	if err != nil {
		return err
	}
	args = append(args, to...)
	k.world.crew = &crew{program: k.world.rig.program, dir: k.world.o.Dir, args: args, env: env, say: k.world.o.Say}
	k.world.watch = newWatcher(k.world.rig.bucket, job, topics[:], hour, k.world.o.Say)
	k.prod = &producer{brokers: k.kafka.Brokers(), topics: topics[:], log: k.world.log, rate: k.world.o.Rate, say: k.world.o.Say}
	k.prod.parts.Store(parts)
	k.world.mend, k.world.grow = k.mend, k.addPartitions
	k.world.what, k.world.reached = k.faults(), k.reached
	return k.admin(func(a sarama.ClusterAdmin) error {
		var errs []error
		for _, t := range topics {
			errs = append(errs, a.CreateTopic(t, &sarama.TopicDetail{NumPartitions: parts, ReplicationFactor: int16(min(3, k.world.o.Brokers))}, false))
		}
		return errors.Join(errs...)
	})
}

func (k *kafkaWorld) admin(f func(sarama.ClusterAdmin) error) error {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Metadata.Retry.Max = 50
	a, err := sarama.NewClusterAdmin(k.kafka.Brokers(), c)
	if err != nil {
		return err
	}
	return errors.Join(f(a), a.Close())
}

func (k *kafkaWorld) tearDown() {
	k.world.killAll()
	if k.kafka != nil {
		k.kafka.Stop()
	}
	k.world.rig.stop()
}

// mend starts all brokers that are dead.
func (k *kafkaWorld) mend(ctx context.Context) error {
	for i := range k.world.o.Brokers {
		if err := k.kafka.Restart(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// faults are all that befall a job on Kafka.
func (k *kafkaWorld) faults() []fault {
	if k.world.o.BrokerEvery > 0 {
		return k.world.faults()
	}
	return k.world.faults(fault{"kill a broker", k.killBroker})
}

// reached reports whether of each busy partition something can be read that was acknowledged after a moment.
func (k *kafkaWorld) reached(since time.Time) bool {
	for t, p := range k.world.log.firstSince(since) {
		if k.world.watch.readable(t.topic, int32(t.n)) <= p {
			k.world.awaited = fmt.Sprintf("offset %d of partition %d of %s", p, t.n, t.topic)
			return false
		}
	}
	return k.world.log.busySince(since, k.prod.parts.Load())
}

func (k *kafkaWorld) killBroker(ctx context.Context) error {
	i := k.world.rnd.IntN(k.world.o.Brokers)
	k.kafka.Kill(i)
	sleep(ctx, time.Duration(k.world.rnd.Int64N(int64(3*time.Second))))
	return k.kafka.Restart(ctx, i)
}

// withBrokerKills kills one broker after the other while f runs.
func (k *kafkaWorld) withBrokerKills(ctx context.Context, f func(context.Context) error) error {
	if k.world.o.BrokerEvery == 0 {
		return f(ctx)
	}
	ctx, stop := context.WithCancel(ctx)
	var killer sync.WaitGroup
	var failed error
	killer.Go(func() {
		for i := 0; failed == nil; i++ {
			sleep(ctx, k.world.o.BrokerEvery)
			if ctx.Err() != nil {
				return
			}
			k.kafka.Kill(i % k.world.o.Brokers)
			k.world.report.BrokerKills++
			sleep(ctx, k.world.o.BrokerEvery/10)
			failed = k.kafka.Restart(context.WithoutCancel(ctx), i%k.world.o.Brokers)
		}
	})
	err := f(ctx)
	stop()
	killer.Wait()
	return errors.Join(err, failed)
}

func (k *kafkaWorld) addPartitions() error {
	k.world.o.Say("           two more partitions for each topic")
	err := k.admin(func(a sarama.ClusterAdmin) error {
		for _, t := range topics {
			if err := a.CreatePartitions(t, parts+2, nil, false); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		k.prod.parts.Store(parts + 2)
	}
	return err
}
