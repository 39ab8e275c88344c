package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

var shared servertest.Shared

func TestMain(m *testing.M) { shared.Main(m) }

// world is one cluster and what a test does to it beside reading.
type world struct {
	t       testing.TB
	brokers []string
	client  sarama.Client
	admin   sarama.ClusterAdmin
	change  func(*sarama.Config) // how to authenticate; nil for not at all
}

func onKafka(t testing.TB) *world {
	t.Helper()
	return at(t, shared.Kafka(t).Brokers())
}

func at(t testing.TB, brokers []string, change ...func(*sarama.Config)) *world {
	t.Helper()
	c := config()
	for _, f := range change {
		f(c)
	}
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return &world{t: t, brokers: brokers, client: client, admin: admin}
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max = 50
	c.Metadata.Retry.Max = 20
	return c
}

// topic makes a topic with a name of its own and settings as "key", "value" pairs.
func (w *world) topic(parts int32, settings ...string) string {
	w.t.Helper()
	name := fmt.Sprintf("t%d", time.Now().UnixNano())
	w.create(name, parts, settings...)
	return name
}

func (w *world) create(name string, parts int32, settings ...string) {
	w.t.Helper()
	d := &sarama.TopicDetail{NumPartitions: parts, ReplicationFactor: int16(min(3, len(w.brokers))), ConfigEntries: map[string]*string{}}
	for i := 0; i < len(settings); i += 2 {
		d.ConfigEntries[settings[i]] = &settings[i+1]
	}
	w.must(w.admin.CreateTopic(name, d, false))
	w.eventually("topic is known", func() bool {
		_ = w.client.RefreshMetadata(name)
		for i := range parts {
			if b, err := w.client.Leader(name, i); err != nil || b == nil {
				return false
			}
		}
		return true
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// eventually waits for what another process does, for which there is no signal.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: not within 2 minutes", what)
		}
	}
}

// value is the value of the record that was the n-th to be written to a partition.
func value(part int32, n int) string { return fmt.Sprintf("p%d n%06d %s", part, n, filler) }

const filler = "the quick brown fox jumps over the lazy dog, again and again and again"

// produce writes records n to m-1 to a partition.
func (w *world) produce(topic string, part int32, n, m int, change ...func(*sarama.Config)) {
	w.t.Helper()
	c := config()
	for _, f := range change {
		f(c)
	}
	p, err := sarama.NewSyncProducer(w.brokers, c)
	w.must(err)
	defer p.Close()
	if c.Producer.Transaction.ID != "" {
		w.must(p.BeginTxn())
	}
	w.must(p.SendMessages(messages(topic, part, n, m)))
	if c.Producer.Transaction.ID != "" {
		w.must(p.CommitTxn())
	}
}

func messages(topic string, part int32, n, m int) []*sarama.ProducerMessage {
	var out []*sarama.ProducerMessage
	for i := n; i < m; i++ {
		out = append(out, &sarama.ProducerMessage{
			Topic: topic, Partition: part, Key: sarama.StringEncoder(strconv.Itoa(i)), Value: sarama.StringEncoder(value(part, i)),
		})
	}
	return out
}

func (w *world) open(o *kafka.Options, topics ...string) *kafka.Source {
	w.t.Helper()
	return w.openGroup("g-"+topics[0], o, topics...)
}

func (w *world) openGroup(group string, o *kafka.Options, topics ...string) *kafka.Source {
	w.t.Helper()
	if testing.Verbose() {
		if o == nil {
			o = &kafka.Options{}
		}
		if o.Logger == nil {
			o.Logger = slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
	}
	s, err := kafka.Open(w.t.Context(), kafka.Config{Brokers: w.brokers, Group: group, Topics: topics}, o)
	w.must(err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// reader plays the engine: it starts each lane that is assigned and keeps what comes.
type reader struct {
	t        testing.TB
	src      *kafka.Source
	from     func(record.Partition) driver.Progress // nil: from the first record
	warmup   time.Duration
	warmFrom time.Time

	lanes   map[string][]record.Partition
	got     map[record.Partition][]record.Record
	order   []record.Record
	warm    []record.Record
	passed  map[record.Partition]int64
	marks   map[record.Partition]string // of what has come
	dead    []driver.DeadLetter
	revoked int

	mu     sync.Mutex
	events []string
}

func read(t testing.TB, src *kafka.Source) *reader {
	return &reader{
		t: t, src: src, lanes: map[string][]record.Partition{}, got: map[record.Partition][]record.Record{},
		passed: map[record.Partition]int64{}, marks: map[record.Partition]string{},
	}
}

// step handles one batch. It returns what Poll returned as its error.
func (r *reader) step(ctx context.Context) error {
	b, err := r.src.Poll(ctx)
	if err != nil {
		return err
	}
	defer b.Release()
	for _, name := range b.Revoked {
		delete(r.lanes, name)
		r.revoked++
		r.event("revoked " + name)
	}
	for _, a := range b.Assigned {
		r.lanes[a.Lane] = a.Partitions
		r.event("assigned " + a.Lane)
		st := driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{}, Warmup: r.warmup, WarmFrom: r.warmFrom}
		for _, p := range a.Partitions {
			st.From[p] = driver.Progress{}
			if r.from != nil {
				st.From[p] = r.from(p)
			}
		}
		if err := r.src.Start(ctx, st); err != nil {
			return err
		}
	}
	for i := range b.Records {
		rec := b.Records[i].Clone()
		if b.Warm {
			r.warm = append(r.warm, rec)
			continue
		}
		r.got[*rec.Partition] = append(r.got[*rec.Partition], rec)
		r.order = append(r.order, rec)
	}
	for _, m := range b.Marks {
		r.marks[m.Partition] = m.Text
	}
	if b.WarmDone {
		r.event("warm " + b.Lane)
	}
	for _, p := range b.Passed {
		r.passed[p.Partition] = p.UpTo.Sub
	}
	r.dead = append(r.dead, b.Unreadable...)
	return nil
}

// until steps until ok, and fails the test if that takes too long.
func (r *reader) until(what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		if err := r.step(ctx); err != nil {
			r.t.Fatalf("%s: %v; stalled: %v; got %d records", what, err, r.src.Health().Stalled, len(r.order))
		}
	}
}

// records steps until n have come.
func (r *reader) records(n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d records", n), func() bool { return len(r.order) >= n })
}

// failure steps until Poll fails.
func (r *reader) failure() error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	for {
		err := r.step(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) {
			r.t.Fatalf("no failure, but %v; stalled: %v", err, r.src.Health().Stalled)
		}
		if err != nil {
			return err
		}
	}
}

// nothing checks that no record comes for a while. A wait is the only way to see nothing.
func (r *reader) nothing() {
	r.t.Helper()
	n := len(r.order)
	ctx, cancel := context.WithTimeout(r.t.Context(), 700*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		if err := r.step(ctx); err != nil && ctx.Err() == nil {
			r.t.Fatal(err)
		}
	}
	if len(r.order) > n {
		r.t.Fatalf("records came: %v...", r.order[n])
	}
}

// check compares what came of a partition with records n to m-1 that were produced there.
func (r *reader) check(p record.Partition, n, m int) {
	r.t.Helper()
	part, err := strconv.Atoi(p.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	got := r.got[p]
	if len(got) != m-n {
		r.t.Fatalf("%v: got %d records, want %d", p, len(got), m-n)
	}
	last := int64(-1)
	for i, rec := range got {
		if want := value(int32(part), n+i); string(rec.Value) != want {
			r.t.Fatalf("%v: record %d is %q, want %q", p, i, rec.Value, want)
		}
		if rec.Position.Sub <= last {
			r.t.Fatalf("%v: position %v after %d", p, rec.Position, last)
		}
		last = rec.Position.Sub
	}
}

// partition is the name of a partition of a topic.
func (r *reader) partition(topic string, n int) record.Partition {
	r.t.Helper()
	all, err := r.src.Partitions(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range all {
		if p.ID == strconv.Itoa(n) && p.Source[len(p.Source)-len(topic):] == topic {
			return p
		}
	}
	r.t.Fatalf("no partition %d of %s in %v", n, topic, all)
	return record.Partition{}
}

func detail(parts int32) *sarama.TopicDetail {
	return &sarama.TopicDetail{NumPartitions: parts, ReplicationFactor: 1}
}

func newProducer(brokers []string, c *sarama.Config) (sarama.SyncProducer, error) {
	return sarama.NewSyncProducer(brokers, c)
}

// eventsNow may be called while the reader is in the background.
func (r *reader) eventsNow() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *reader) event(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, s)
}
