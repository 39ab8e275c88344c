//go:build unix

package torture

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	service "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kinesis"
	"github.com/onceflow/onceflow/stream/record"
)

// leaser is a job on a stream whose shards are shared out by leases. It runs in the test's process.
type leaser struct {
	read    atomic.Int64 // records, each time that they are
	commits chan struct{}
	stop    context.CancelFunc
	ended   chan error
}

func startLeaser(t *testing.T, k *servers.Kinesis, d *servers.DynamoDB, dir string) *leaser {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &leaser{commits: make(chan struct{}, 1000), stop: stop, ended: make(chan error, 1)}
	go func() { l.ended <- l.run(ctx, k, d, dir) }()
	t.Cleanup(stop)
	return l
}

func (l *leaser) run(ctx context.Context, k *servers.Kinesis, d *servers.DynamoDB, dir string) (err error) {
	cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
	src, err := kinesis.Open(ctx, kinesis.Config{AWS: cfg, Stream: streamName}, &kinesis.Options{
		Poll: 250 * time.Millisecond, Refresh: time.Second, Client: func(o *service.Options) { o.BaseEndpoint = aws.String(k.Endpoint()) },
		Leases: &kinesis.Leases{Group: job, Endpoint: d.Endpoint()},
	})
	if err != nil {
		return err
	}
	defer src.Close()
	store, err := file.Open(dir, nil)
	if err != nil {
		return err
	}
	flows := []sink.Flow[row]{{Name: streamName, Format: format.JSONLines[row](), Codec: codec.Zstd}}
	out, err := sink.Open(ctx, store, job, flows, &sink.Options{Hour: hour})
	if err != nil {
		return err
	}
	parse := func(r *record.Record) (w row, err error) {
		l.read.Add(1)
		return w, json.Unmarshal(r.Value, &w)
	}
	rows := stream.Via(stream.From(src), stream.Decode(parse, func(w *row) time.Time { return w.At }))
	var commits int64
	return stream.Run(ctx, rows, seal.Hourly(out, &seal.Options{Lateness: time.Hour}), &stream.Options{
		CommitEvery: commit, Logger: slog.New(slog.DiscardHandler),
		Observe: func(st stream.Status) {
			for ; commits < st.Commits; commits++ {
				l.commits <- struct{}{}
			}
		},
	})
}

// wait waits for commits.
func (l *leaser) wait(t *testing.T, n int) {
	t.Helper()
	end := time.NewTimer(90 * time.Second)
	defer end.Stop()
	for range n {
		select {
		case <-l.commits:
		case err := <-l.ended:
			t.Fatalf("the job ended: %v", err)
		case <-end.C:
			t.Fatal("no commit came")
		}
	}
}

// end lets the job end by itself.
func (l *leaser) end(t *testing.T) {
	t.Helper()
	l.stop()
	if err := <-l.ended; err != nil {
		t.Error(err)
	}
}

// Shards go from process to process while records come and shards split and merge: no record is read twice.
func TestAHandOverOfShardsReplaysNothing(t *testing.T) {
	k, d, dir := servertest.KinesisLocal(t), servertest.DynamoDB(t), t.TempDir()
	client := newKinesisClient(k.Endpoint())
	shards := &resharder{client: client, rnd: rand.New(rand.NewPCG(1, 1)), say: t.Logf}
	if err := shards.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &putter{client: client, idleFrom: shards.idleFrom, log: newLog([]string{streamName}), rate: 200, say: t.Logf}
	producing, stop := context.WithCancel(t.Context())
	defer stop()
	var producer sync.WaitGroup
	producer.Go(func() { p.run(producing) })

	first := startLeaser(t, k, d, dir)
	first.wait(t, 3)
	second := startLeaser(t, k, d, dir)
	second.wait(t, 3) // it has got its share
	for shards.splits < 2 || shards.merges < 2 {
		if err := shards.change(t.Context()); err != nil {
			t.Fatal(err)
		}
		first.wait(t, 3)
	}
	first.end(t)
	second.wait(t, 10)
	stop()
	producer.Wait()

	w := newWatcher(folder(dir), job, []string{streamName}, hour, t.Logf)
	made := p.log.acknowledged()
	for w.rows() < made {
		second.wait(t, 1)
		w.look(t.Context())
	}
	second.end(t)
	w.look(t.Context())
	for _, wrong := range w.wrong {
		t.Error(wrong)
	}
	for n, r := range p.log.records[streamName] {
		if onTime, late := w.tally.times(streamName, n); r.fate != unknown && (onTime+late == 1) != (r.fate == acked) || onTime+late > 1 {
			t.Errorf("record %d, fate %d, is there %d times", n, r.fate, onTime+late)
		}
	}
	a, b := first.read.Load(), second.read.Load()
	t.Logf("%d records, %d splits, %d merges; one process read %d, the other %d", made, shards.splits, shards.merges, a, b)
	if a == 0 || b == 0 || a+b < int64(made) {
		t.Errorf("they read %d and %d of %d records", a, b, made)
	}
	if n := w.rows(); a+b != int64(n) {
		t.Errorf("%d records were read, and %d written: some were read again", a+b, n)
	}
}
