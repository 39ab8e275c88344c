package torture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
)

// Options say how hard to torture.
type Options struct {
	Kills   int    // of workers, by SIGKILL
	Brokers int    // 1 or 3
	Store   string // "s3", "gcs" or "dir"
	Seed    uint64
	Rate    int    // records a second
	Dir     string // for logs and a copy of the bucket; kept if something is wrong
	Toxics  bool   // bad networks too
	Calm    bool   // kill workers only
	Only    string // beside that, do only what has this in its name
	Quick   bool   // end with the first hour that is sealed, not with the last

	Recovery    time.Duration // the longest that a recovery may take which no other fault is near; -1 is no limit
	BrokerEvery time.Duration // kill a broker this often, whatever else is done; 0 leaves it to chance
	Say         func(string, ...any)
}

// Report is what came of it.
type Report struct {
	Kills, Faults                        int
	Records, Lost, Doubled, Ghosts, Late int
	Sealed, EarlySeals                   int
	BrokerKills                          int           // of BrokerEvery
	Refused                              int           // workers that did not begin, since a fault was in their way
	Recoveries                           int           // kills with no other fault near them
	Recovery                             time.Duration // the worst after one of these
	Relief                               time.Duration // the worst after other faults, and kills on top of them, from their end on
	Wrong                                []string      // everything else
}

// String is the last line.
func (r *Report) String() string {
	return fmt.Sprintf("kills %d, records %d, lost %d, doubled %d, early seals %d, worst recovery %.1f s",
		r.Kills, r.Records, r.Lost, r.Doubled, r.EarlySeals, r.Recovery.Seconds())
}

// OK reports whether all that must hold holds.
func (r *Report) OK() bool {
	return r.Lost+r.Doubled+r.Ghosts+r.EarlySeals+len(r.Wrong) == 0
}

const (
	job      = "torture"
	hour     = time.Minute
	lateness = 15 * time.Second
	session  = 2 * time.Second
	commit   = 500 * time.Millisecond
	parts    = 4 // of each topic at first; partition 0 stays idle
)

var topics = [...]string{"hits", "views"}

// world is everything that runs.
type world struct {
	Options
	rnd     *rand.Rand
	cache   *servers.Cache
	kafka   *servers.Kafka
	minio   *servers.MinIO
	front   *servers.MinIOFront
	gcs     *servers.GCS
	proxy   *servers.Toxiproxy
	proxies []string // names
	bucket  bucket
	crew    *crew
	prod    *producer
	log     *log
	watch   *watcher
	report  *Report

	what    []fault                    // that may be done
	reached func(since time.Time) bool // something can be read that was acknowledged after a moment, of all that is busy
	awaited string                     // what reached did not find the last time that it said no
}

// Run does it all. An error means that it could not be done; what is wrong with the output is in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	o.Kills, o.Brokers, o.Rate = cmp.Or(o.Kills, 10), cmp.Or(o.Brokers, 1), cmp.Or(o.Rate, 1000)
	o.Store = cmp.Or(o.Store, "s3")
	w := &world{Options: o, rnd: rand.New(rand.NewPCG(o.Seed, 1)), log: newLog(topics[:]), report: &Report{}}
	defer w.tearDown()
	defer func() {
		if err != nil && ctx.Err() == nil && w.crew != nil {
			w.crew.dump() // something hangs
		}
	}()
	if err := w.setUp(ctx); err != nil {
		return nil, err
	}
	var producers []func(context.Context)
	for _, t := range topics {
		producers = append(producers, func(ctx context.Context) { w.prod.plain(ctx, t) })
	}
	producers = append(producers, func(ctx context.Context) { w.prod.transactional(ctx, topics[0]) })
	return w.report, w.run(ctx, producers, func(ctx context.Context) error { return w.withBrokerKills(ctx, w.chaos) })
}

// run lets three workers and the producers run during the chaos, lets them settle, and judges.
func (w *world) run(ctx context.Context, producers []func(context.Context), chaos func(context.Context) error) error {
	producing, stopProducing := context.WithCancel(ctx)
	defer stopProducing()
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var producer, watchers sync.WaitGroup
	for _, p := range producers {
		producer.Go(func() { p(producing) })
	}
	watchers.Go(func() { w.watch.run(watching) })
	for range 3 {
		if err := w.crew.add(); err != nil {
			return err
		}
	}
	err := chaos(ctx)
	stopProducing()
	producer.Wait()
	if err != nil {
		return err
	}
	err = w.settle(ctx)
	stopWatching()
	watchers.Wait()
	if err != nil {
		return err
	}
	return w.judge(ctx)
}

func (w *world) setUp(ctx context.Context) (err error) {
	if w.cache, err = servers.Open(); err != nil {
		return err
	}
	example := "kafka-to-s3"
	if w.Store == "gcs" {
		example = "kafka-to-gcs"
	}
	program, err := w.build(ctx, example)
	if err != nil {
		return err
	}
	ko := &servers.KafkaOptions{Brokers: w.Brokers, Dir: w.Dir, Properties: map[string]string{"offsets.retention.minutes": "60"}}
	if w.Toxics {
		if w.proxy, err = servers.StartToxiproxy(ctx, w.cache); err != nil {
			return err
		}
		ko.Advertise = func(port int) (int, error) { return w.behind(ctx, fmt.Sprintf("kafka-%d", port), port) }
	}
	if w.kafka, err = servers.StartKafka(ctx, w.cache, ko); err != nil {
		return err
	}
	args := []string{
		"-brokers", strings.Join(w.kafka.Brokers(), ","), "-topics", strings.Join(topics[:], ","), "-job", job, "-time", "at",
		"-hour", hour.String(), "-lateness", lateness.String(), "-commit", commit.String(), "-session", session.String(),
		"-memory", fmt.Sprint(64 << 20),
	}
	to, env, err := w.setUpStore(ctx)
	if err != nil {
		return err
	}
	args = append(args, to...)
	w.crew = &crew{program: program, dir: w.Dir, args: args, env: env, say: w.Say}
	w.watch = newWatcher(w.bucket, job, topics[:], hour, w.Say)
	w.prod = &producer{brokers: w.kafka.Brokers(), topics: topics[:], log: w.log, rate: w.Rate, say: w.Say}
	w.prod.parts.Store(parts)
	w.what, w.reached = w.kafkaFaults(), w.kafkaReached
	return w.admin(func(a sarama.ClusterAdmin) error {
		var errs []error
		for _, t := range topics {
			errs = append(errs, a.CreateTopic(t, &sarama.TopicDetail{NumPartitions: parts, ReplicationFactor: int16(min(3, w.Brokers))}, false))
		}
		return errors.Join(errs...)
	})
}

// build builds the example that is the job.
func (w *world) build(ctx context.Context, example string) (program string, err error) {
	program = filepath.Join(w.Dir, example)
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/onceflow/onceflow/examples/"+example).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the job: %w\n%s", err, out)
	}
	return program, nil
}

// setUpStore makes the bucket, and says with which flags and environment the job writes to it.
func (w *world) setUpStore(ctx context.Context) (args, env []string, err error) {
	switch w.Store {
	case "dir":
		dir := filepath.Join(w.Dir, "bucket")
		w.bucket = folder(dir)
		return []string{"-dir", dir}, nil, nil
	case "s3":
		if w.minio, err = servers.StartMinIO(ctx, w.cache); err != nil {
			return nil, nil, err
		}
		const name = "torture"
		if w.bucket, err = newS3Bucket(ctx, w.minio.Endpoint(), servers.MinIOAccessKey, servers.MinIOSecretKey, name); err != nil {
			return nil, nil, err
		}
		if w.front, err = w.minio.Front(ctx, w.cache); err != nil {
			return nil, nil, err
		}
		port := w.front.Port()
		if w.Toxics {
			if port, err = w.behind(ctx, "minio", port); err != nil {
				return nil, nil, err
			}
		}
		endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
		return []string{"-bucket", name, "-endpoint", endpoint},
			[]string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + servers.MinIOAccessKey, "AWS_SECRET_ACCESS_KEY=" + servers.MinIOSecretKey}, nil
	case "gcs":
		return w.setUpGCS(ctx)
	default:
		return nil, nil, fmt.Errorf("store %q is not known", w.Store)
	}
}

// behind puts a proxy in front of a port.
func (w *world) behind(ctx context.Context, name string, port int) (int, error) {
	w.proxies = append(w.proxies, name)
	return w.proxy.Proxy(ctx, name, port)
}

func (w *world) admin(f func(sarama.ClusterAdmin) error) error {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Metadata.Retry.Max = 50
	a, err := sarama.NewClusterAdmin(w.kafka.Brokers(), c)
	if err != nil {
		return err
	}
	return errors.Join(f(a), a.Close())
}

func (w *world) tearDown() {
	if w.crew != nil {
		w.crew.killAll()
	}
	if w.kafka != nil {
		w.kafka.Stop()
	}
	if w.front != nil {
		w.front.Stop()
	}
	if w.gcs != nil {
		w.gcs.Stop()
	}
	if w.minio != nil {
		w.minio.Stop()
	}
	if w.proxy != nil {
		w.proxy.Stop()
	}
	if w.crew != nil {
		_ = os.Remove(w.crew.program)
	}
}
