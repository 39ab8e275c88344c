package kafka_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

// bomb writes one record of n zeros, which compress well.
func (w *world) bomb(topic string, n int) {
	w.t.Helper()
	c := config()
	c.Producer.Compression, c.Producer.MaxMessageBytes = sarama.CompressionZSTD, 2*n
	p, err := newProducer(w.brokers, c)
	w.must(err)
	defer p.Close()
	_, _, err = p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(make([]byte, n))})
	w.must(err)
}

func poisoned(t *testing.T) (*world, string) {
	w := onKafka(t)
	topic := w.topic(2)
	w.produce(topic, 0, 0, 50)
	w.bomb(topic, 4<<20)
	w.produce(topic, 0, 51, 100)
	w.produce(topic, 1, 0, 200)
	return w, topic
}

func TestABatchBeyondTheLimitHaltsItsPartitionAlone(t *testing.T) {
	w, topic := poisoned(t)
	r := read(t, w.open(&kafka.Options{MaxBatch: 1 << 20}, topic))
	r.records(250)
	r.check(r.partition(topic, 0), 0, 50)
	r.check(r.partition(topic, 1), 0, 200)
	w.produce(topic, 1, 200, 300)
	r.records(350)
	r.check(r.partition(topic, 1), 0, 300)
	var e *kafka.CorruptError
	if err := r.src.Health().Stalled; !errors.As(err, &e) {
		t.Fatalf("stalled: %v", err)
	}
	if e.Partition != r.partition(topic, 0) || e.First != 50 || e.Last != 50 {
		t.Errorf("it names %v, offsets %d to %d", e.Partition, e.First, e.Last)
	}
	t.Logf("said: %v", e)
}

func TestABatchBeyondTheLimitIsADeadLetter(t *testing.T) {
	w, topic := poisoned(t)
	r := read(t, w.open(&kafka.Options{MaxBatch: 1 << 20, Corrupt: kafka.DeadLetter}, topic))
	r.records(299)
	p0 := r.partition(topic, 0)
	if len(r.dead) != 1 || r.dead[0].Record.Position.Sub != 51 || *r.dead[0].Record.Partition != p0 || len(r.dead[0].Record.Value) == 0 {
		t.Fatalf("dead letters: %+v", r.dead)
	}
	var e *kafka.CorruptError
	if !errors.As(r.dead[0].Err, &e) {
		t.Errorf("its error is %v", r.dead[0].Err)
	}
	after := r.got[p0][50:]
	r.got[p0] = r.got[p0][:50]
	r.check(p0, 0, 50)
	r.got[p0] = after
	r.check(p0, 51, 100)
}

func TestABatchBeyondTheLimitStopsTheJobIfToldTo(t *testing.T) {
	w, topic := poisoned(t)
	r := read(t, w.open(&kafka.Options{MaxBatch: 1 << 20, Corrupt: kafka.Stop}, topic))
	var e *kafka.CorruptError
	if err := r.failure(); !errors.As(err, &e) || e.First != 50 {
		t.Errorf("got %v", err)
	}
}

func TestAMillionsOfZerosAreReadIfTheLimitAllowsThem(t *testing.T) {
	w, topic := poisoned(t)
	r := read(t, w.open(&kafka.Options{FetchBytes: 1 << 10, Buffer: 1 << 10}, topic)) // less than any batch
	r.records(300)
	if n := len(r.got[r.partition(topic, 0)][50].Value); n != 4<<20 {
		t.Errorf("the record has %d bytes", n)
	}
}

// A bit that flipped on the broker's disk: brokers send what lies there without a look at it.
func TestAFlippedBitOnTheBrokersDisk(t *testing.T) {
	k := servertest.Kafka(t, &servers.KafkaOptions{Dir: t.TempDir()})
	w := at(t, k.Brokers())
	topic := w.topic(2)
	w.produce(topic, 1, 0, 10)
	for i := range 5 { // five batches of ten
		w.produce(topic, 0, i*10, i*10+10)
	}
	k.Process(0).Stop()
	files, err := filepath.Glob(filepath.Join(k.DataDir(0), topic+"-0", "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatalf("log files: %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	w.must(err)
	b[len(b)/2] ^= 1 // in the third batch
	w.must(os.WriteFile(files[0], b, 0o666))
	w.must(k.Restart(t.Context(), 0))

	r := read(t, w.open(nil, topic))
	r.until("the partition is halted", func() bool { return len(r.got) == 2 && r.src.Health().Stalled != nil })
	p0 := r.partition(topic, 0)
	var e *kafka.CorruptError
	if err := r.src.Health().Stalled; !errors.As(err, &e) || e.First < 1 || e.Last < e.First || e.Last >= 49 {
		t.Fatalf("stalled: %v", err)
	}
	first, last := int(e.First), int(e.Last)
	r.records(10 + first)
	r.check(p0, 0, first)
	r.check(r.partition(topic, 1), 0, 10)
	w.must(r.src.Close())

	r = read(t, w.open(&kafka.Options{Corrupt: kafka.DeadLetter}, topic))
	r.records(10 + 50 - (last - first + 1))
	if len(r.dead) != 1 || r.dead[0].Record.Position != (record.Position{Sub: e.Last + 1}) {
		t.Fatalf("dead letters: %+v", r.dead)
	}
	r.got[p0] = r.got[p0][first:]
	r.check(p0, last+1, 50)
}
