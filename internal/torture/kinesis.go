package torture

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
)

// lease is how long a worker on Kinesis must be silent before others take its lanes.
const lease = 2 * time.Second

const streamName = "hits"

// kinesisWorld is a world whose workers read a Kinesis stream that splits and merges, by leases in DynamoDB. Half of them
// poll, the others read by enhanced fan-out.
type kinesisWorld struct {
	world   *world
	kinesis *servers.Kinesis
	kfront  *servers.KinesisFront
	dynamo  *servers.DynamoDB
	put     *putter
	shards  *resharder
}

// RunKinesis is Run for examples/kinesis-to-s3.
func RunKinesis(ctx context.Context, o Options) (_ *Report, err error) {
	o.Kills, o.Rate, o.Store, o.Brokers = cmp.Or(o.Kills, 10), cmp.Or(o.Rate, 300), cmp.Or(o.Store, "s3"), 0
	o.Recovery = cmp.Or(o.Recovery, lease+5*time.Second)
	w := &kinesisWorld{world: newWorld(&o, []string{streamName})}
	defer w.tearDown()
	defer func() {
		if err != nil && ctx.Err() == nil && w.world.crew != nil {
			w.world.crew.dump() // something hangs
			for _, p := range []*servers.Process{w.kinesis.Process, w.dynamo.Process()} {
				if !p.Alive() {
					w.world.o.Say("a server has ended: %s", p.Tail(20))
				}
			}
		}
	}()
	if err := w.setUp(ctx); err != nil {
		return nil, err
	}
	producers := []func(context.Context){w.put.run}
	return w.world.report, w.world.run(ctx, producers, w.whileResharding)
}

func (w *kinesisWorld) setUp(ctx context.Context) (err error) {
	if err := w.world.rig.begin(ctx, "kinesis-to-s3"); err != nil {
		return err
	}
	if w.kinesis, err = servers.StartKinesisLocal(ctx, w.world.rig.cache); err != nil {
		return err
	}
	if w.kfront, err = w.kinesis.Front(ctx, w.world.rig.cache); err != nil {
		return err
	}
	w.kfront.Set(usual)
	if w.dynamo, err = servers.StartDynamoDB(ctx, w.world.rig.cache); err != nil {
		return err
	}
	port := w.kfront.Port()
	if w.world.o.Toxics {
		if port, err = w.world.rig.behind(ctx, "kinesis", port); err != nil {
			return err
		}
	}
	args := []string{
		"-stream", streamName, "-kinesis", fmt.Sprintf("http://127.0.0.1:%d", port), "-leases", "leases", "-dynamodb", w.dynamo.Endpoint(),
		"-lease", lease.String(), "-poll", "250ms", "-refresh", "1s", "-job", job, "-time", "at", "-hour", hour.String(),
		"-lateness", lateness.String(), "-commit", commit.String(), "-memory", fmt.Sprint(64 << 20),
	}
	to, env, err := w.world.rig.setUpStore(ctx)
	if err != nil {
		return err
	}
	w.world.crew = &crew{program: w.world.rig.program, dir: w.world.o.Dir, args: append(args, to...), odd: []string{"-fanout", "torture"}, env: env, say: w.world.o.Say}
	w.world.watch = newWatcher(w.world.rig.bucket, job, []string{streamName}, hour, w.world.o.Say)
	client := newKinesisClient(w.kinesis.Endpoint())
	w.shards = &resharder{client: client, rnd: rand.New(rand.NewPCG(w.world.o.Seed, 2)), say: w.world.o.Say}
	if err := w.shards.begin(ctx); err != nil {
		return err
	}
	w.put = &putter{client: client, idleFrom: w.shards.idleFrom, log: w.world.log, rate: w.world.o.Rate, say: w.world.o.Say}
	w.world.what, w.world.reached = w.world.faults(
		fault{"throttle", w.throttle}, fault{"expire iterators", w.expire}, fault{"cut replies", w.cutReplies},
		fault{"kill the table of leases", w.killTable},
	), w.firstOfEachShard
	return nil
}

func (w *kinesisWorld) tearDown() {
	w.world.killAll()
	w.world.rig.stop()
	if w.kfront != nil {
		w.kfront.Stop()
	}
	if w.kinesis != nil {
		w.kinesis.Stop()
	}
	if w.dynamo != nil {
		w.dynamo.Stop()
	}
}

// whileResharding is the chaos, with splits and merges at the same time.
func (w *kinesisWorld) whileResharding(ctx context.Context) error {
	resharding, stop := context.WithCancel(ctx)
	defer stop()
	var shards sync.WaitGroup
	if !w.world.o.Calm {
		shards.Go(func() { w.shards.run(resharding) })
	}
	err := w.world.chaos(ctx)
	stop()
	shards.Wait()
	w.kfront.Set(usual)
	w.world.o.Say("%d splits, %d merges; %+v", w.shards.splits, w.shards.merges, w.kfront.Counts())
	return err
}

// usual is how the service is at all times: 5 reads a second and shard, and subscriptions that end, though not so soon.
var usual = servers.KinesisFaults{ReadsPerSecond: 5, Subscription: 8 * time.Second}

// throttle lets the service refuse what it is asked for a while.
func (w *kinesisWorld) throttle(ctx context.Context) error {
	bad := usual
	if bad.Throttle = w.world.rnd.IntN(2) == 0; !bad.Throttle {
		bad.ReadsPerSecond = 1
	}
	w.kfront.Set(bad)
	sleep(ctx, time.Second+time.Duration(w.world.rnd.Int64N(int64(3*time.Second))))
	w.kfront.Set(usual)
	return nil
}

func (w *kinesisWorld) expire(context.Context) error {
	w.kfront.ExpireIterators()
	return nil
}

func (w *kinesisWorld) cutReplies(ctx context.Context) error {
	bad := usual
	bad.Cut = 2 + w.world.rnd.IntN(4)
	w.kfront.Set(bad)
	sleep(ctx, time.Second+time.Duration(w.world.rnd.Int64N(int64(3*time.Second))))
	w.kfront.Set(usual)
	return nil
}

// killTable takes the leases away for a while. The workers go on with what they have.
func (w *kinesisWorld) killTable(ctx context.Context) error {
	w.dynamo.Process().Kill()
	sleep(ctx, time.Duration(w.world.rnd.Int64N(int64(2*lease))))
	return w.dynamo.Restart(ctx)
}

// firstOfEachShard reports whether of each shard that had records in the lease time after a moment one of them is in the
// bucket. Shards that come later are not asked for: there is always one that was made just now.
func (w *kinesisWorld) firstOfEachShard(since time.Time) bool {
	until := since.Add(lease)
	if time.Now().Before(until) {
		return false // all busy shards have had some by then
	}
	first := w.world.log.earliestBetween(since, until)
	if len(first) == 0 { // the emulator took none
		first = w.world.log.earliestBetween(since, time.Now())
		w.world.awaited = "any record"
	}
	w.world.watch.mu.Lock()
	defer w.world.watch.mu.Unlock()
	for k, n := range first {
		if onTime, late := w.world.watch.tally.times(streamName, n); onTime+late == 0 {
			w.world.awaited = fmt.Sprintf("record %d of shard %d", n, k.n)
			return false
		}
	}
	return len(first) > 0
}
