package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/kafka"
)

func lines(n int, key func(i int) []byte) (all []audit.Line) {
	id := audit.NewID(time.Now())
	for i := range n {
		all = append(all, audit.Line{Mark: audit.Mark{ID: id, Line: i + 1}, Event: audit.Event{
			Key: key(i), Value: fmt.Append(nil, "value ", i), Time: time.UnixMilli(1_700_000_000_000 + int64(i)).UTC(),
		}})
	}
	return all
}

func keyed(i int) []byte { return fmt.Append(nil, "key", i%100) }

// producer is one that fails as a test says.
type producer struct {
	mu   sync.Mutex
	fate func(try int, m *sarama.ProducerMessage) error
	try  map[*sarama.ProducerMessage]int
	sent []*sarama.ProducerMessage
}

func (p *producer) SendMessages(all []*sarama.ProducerMessage) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.try == nil {
		p.try = map[*sarama.ProducerMessage]int{}
	}
	var failed sarama.ProducerErrors
	for _, m := range all {
		p.try[m]++
		if err := p.fate(p.try[m], m); err != nil {
			failed = append(failed, &sarama.ProducerError{Msg: m, Err: err})
		} else {
			p.sent = append(p.sent, m)
		}
	}
	if len(failed) > 0 {
		return failed
	}
	return nil
}

func sender(t *testing.T, p kafka.Producer, topic string) *kafka.Sender {
	t.Helper()
	s, err := kafka.New(p, topic)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Of messages some of which fail, those are sent again, with pauses, and no others.
func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &producer{fate: func(try int, m *sarama.ProducerMessage) error {
			if n, _ := m.Value.Encode(); n[len(n)-1] == '7' && try < 4 {
				return sarama.ErrNotEnoughReplicas
			}
			return nil
		}}
		begun := time.Now()
		if err := sender(t, p, "clicks").Send(t.Context(), lines(100, keyed)); err != nil {
			t.Fatal(err)
		}
		tries := 0
		for _, n := range p.try {
			tries += n
		}
		if len(p.sent) != 100 || tries != 90+4*10 || time.Since(begun) < 350*time.Millisecond {
			t.Errorf("%d were sent by %d tries in %s, want 100 by 130 with pauses of 100, 200 and 400 ms, less a half at most", len(p.sent), tries, time.Since(begun))
		}
	})
}

// refused returns the numbers of the lines that an error names.
func refused(err error) (numbers []int) {
	var r *audit.RefusedError
	if errors.As(err, &r) {
		for _, l := range r.Lines {
			numbers = append(numbers, l.Mark.Line)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// together is a broker: of the messages of all calls that are under way it refuses all if it does not take one of them.
type together struct {
	refuses func(value string) error
	gather  int // calls that come together the first time

	mu    sync.Mutex
	calls []*togetherCall
	sent  map[string]int
	tries int
}

type togetherCall struct {
	all  []*sarama.ProducerMessage
	done chan error
}

func (p *together) SendMessages(all []*sarama.ProducerMessage) error {
	c := &togetherCall{all, make(chan error, 1)}
	p.mu.Lock()
	p.tries++
	if p.calls = append(p.calls, c); len(p.calls) >= p.gather {
		p.gather = 0
		p.judge()
	}
	p.mu.Unlock()
	return <-c.done
}

func (p *together) judge() {
	var why error
	value := func(m *sarama.ProducerMessage) string { v, _ := m.Value.Encode(); return string(v) }
	for _, c := range p.calls {
		for _, m := range c.all {
			if err := p.refuses(value(m)); err != nil {
				why = err
			}
		}
	}
	for _, c := range p.calls {
		var failed sarama.ProducerErrors
		for _, m := range c.all {
			if why != nil {
				failed = append(failed, &sarama.ProducerError{Msg: m, Err: why})
			} else {
				p.sent[value(m)]++
			}
		}
		if failed != nil {
			c.done <- failed
		} else {
			c.done <- nil
		}
	}
	p.calls = nil
}

// A broker refuses all records of a request, or of a partition in it, for one of them: of 1,000 lines with one that was of a time
// that it did not take none arrived, and all were sent again for ever.
func TestALineThatIsRefusedCostsNoOther(t *testing.T) {
	for _, why := range []error{
		sarama.ErrInvalidTimestamp, sarama.ErrMessageSizeTooLarge, sarama.ErrInvalidRecord, sarama.PacketEncodingError{Info: "invalid timestamp"},
	} {
		p := &together{sent: map[string]int{}, refuses: func(value string) error {
			if value == "value 3" || value == "value 700" {
				return why
			}
			return nil
		}}
		err := sender(t, p, "clicks").Send(t.Context(), lines(1000, keyed))
		if got := refused(err); !errors.Is(err, fs.ErrInvalid) || !errors.Is(err, why) || !slices.Equal(got, []int{4, 701}) {
			t.Errorf("%v: lines %v are refused, error %v", why, got, err)
		}
		if len(p.sent) != 998 || p.tries > 60 {
			t.Errorf("%v: %d lines were sent by %d calls, want 998 by a few", why, len(p.sent), p.tries)
		}
	}
}

// A line that came to the broker beside one that it refuses, of another Send, is not refused for that.
func TestALineIsJudgedAlone(t *testing.T) {
	p := &together{gather: 2, sent: map[string]int{}, refuses: func(value string) error {
		if value == "bad" {
			return sarama.ErrInvalidTimestamp
		}
		return nil
	}}
	s := sender(t, p, "clicks")
	var group sync.WaitGroup
	for _, value := range []string{"good", "bad"} {
		group.Go(func() {
			all := lines(1, keyed)
			all[0].Event.Value = []byte(value)
			if got := refused(s.Send(t.Context(), all)); (len(got) > 0) != (value == "bad") {
				t.Errorf("of %s lines %v are refused", value, got)
			}
		})
	}
	group.Wait()
	if p.sent["good"] != 1 || p.sent["bad"] != 0 {
		t.Errorf("sent were %v", p.sent)
	}
}

// What no other line would do better with is told at once.
func TestATopicThatMayNotBeWrittenIsNotTriedAgain(t *testing.T) {
	p := &producer{fate: func(int, *sarama.ProducerMessage) error { return sarama.ErrTopicAuthorizationFailed }}
	err := sender(t, p, "clicks").Send(t.Context(), lines(10, keyed))
	if !errors.Is(err, sarama.ErrTopicAuthorizationFailed) || refused(err) != nil || len(p.try) != 10 {
		t.Errorf("%v, after tries of %d messages", err, len(p.try))
	}
}

func TestABrokerThatIsAwayIsWaitedForUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &producer{fate: func(int, *sarama.ProducerMessage) error { return sarama.ErrOutOfBrokers }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		err := sender(t, p, "clicks").Send(ctx, lines(1, keyed))
		if !errors.Is(err, sarama.ErrOutOfBrokers) || time.Since(begun) < 50*time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
}

type stuck struct{ release chan struct{} }

func (s stuck) SendMessages([]*sarama.ProducerMessage) error { <-s.release; return nil }

// A producer that hangs on a broker that does not answer does not hold up who sends.
func TestTheEndOfTheContextIsNotWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := stuck{make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := sender(t, p, "clicks").Send(ctx, lines(1, keyed)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(p.release)
	})
}

func TestASenderNeedsAProducerAndATopic(t *testing.T) {
	if _, err := kafka.New(nil, "clicks"); err == nil {
		t.Error("no producer")
	}
	if _, err := kafka.New(stuck{}, ""); err == nil {
		t.Error("no topic")
	}
}

// cluster is a broker with a topic of four partitions, and a producer.
func cluster(t *testing.T) (*servers.Kafka, sarama.Client, sarama.SyncProducer) {
	t.Helper()
	k := servertest.Kafka(t, nil)
	c := kafka.Config()
	c.Producer.Retry.Max, c.Metadata.Retry.Max = 3, 3 // so that Send itself has to try again
	c.Consumer.Return.Errors = true
	client, err := sarama.NewClient(k.Brokers(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err == nil {
		err = admin.CreateTopic("clicks", &sarama.TopicDetail{NumPartitions: 4, ReplicationFactor: 1}, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return k, client, p
}

// read returns the records of the topic, n at least, and checks that none has another mark, value, key or time than its line.
func read(t *testing.T, client sarama.Client, all []audit.Line, n int) (partitions map[audit.Mark][]int32) {
	t.Helper()
	byMark := map[audit.Mark]*audit.Event{}
	for i := range all {
		byMark[all[i].Mark] = &all[i].Event
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partitions = map[audit.Mark][]int32{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for p := range int32(4) {
		end, err := client.GetOffset("clicks", p, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		n -= int(end)
		pc, err := consumer.ConsumePartition("clicks", p, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			defer pc.AsyncClose()
			for at := int64(0); at < end; {
				select {
				case err := <-pc.Errors():
					t.Error(err)
					return
				case m := <-pc.Messages():
					at = m.Offset + 1
					mark, ok := audit.ParseMark(m.Headers[0].Value)
					e := byMark[mark]
					if !ok || string(m.Headers[0].Key) != audit.Header || e == nil || !slices.Equal(e.Key, m.Key) || !slices.Equal(e.Value, m.Value) || !e.Time.Equal(m.Timestamp) {
						t.Errorf("record %v, %v is not its line", mark, m)
						return
					}
					mu.Lock()
					partitions[mark] = append(partitions[mark], p)
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if n > 0 {
		t.Errorf("%d records are missing", n)
	}
	return partitions
}

// What is sent again goes where it went before, with a key or without; and lines of one key are together.
func TestLinesAreOnABrokerAsTheyWereSent(t *testing.T) {
	_, client, p := cluster(t)
	s := sender(t, p, "clicks")
	all := lines(1000, keyed)
	for range 8 {
		all = append(all, lines(5, func(int) []byte { return nil })...)
	}
	for range 2 {
		if err := s.Send(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	keys := map[string]int32{}
	used := map[int32]bool{}
	at := read(t, client, all, 2*len(all))
	for _, l := range all {
		on := at[l.Mark]
		key := string(l.Event.Key)
		if l.Event.Key == nil {
			key = l.Mark.ID.String()
		}
		if p, ok := keys[key]; len(on) != 2 || on[0] != on[1] || ok && p != on[0] {
			t.Fatalf("line %v of key %q is in partitions %v, others of the key in %d", l.Mark, key, on, p)
		}
		keys[key], used[on[0]] = on[0], true
	}
	if len(used) != 4 {
		t.Errorf("all lines are in partitions %v", used)
	}
}

// A broker that is killed while lines are sent costs time, not lines.
func TestABrokerIsKilledWhileLinesAreSent(t *testing.T) {
	k, client, p := cluster(t)
	s := sender(t, p, "clicks")
	var all []audit.Line
	killed := make(chan error, 1)
	for i := range 20 {
		some := lines(200, keyed)
		all = append(all, some...)
		if i == 5 {
			go func() {
				k.Kill(0)
				killed <- k.Restart(t.Context(), 0)
			}()
		}
		if err := s.Send(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	if err := client.RefreshMetadata("clicks"); err != nil {
		t.Fatal(err)
	}
	for m, on := range read(t, client, all, len(all)) {
		if len(on) < 1 {
			t.Errorf("line %v is missing", m)
		}
	}
}

// A broker takes none of the records of a partition that are sent together if one of them is too far ahead of its clock, or is too large
// for the topic; and sarama encodes no request with a time before 1970.
func TestABrokerRefusesALineAndNoNeighbour(t *testing.T) {
	_, client, p := cluster(t)
	all := lines(400, func(int) []byte { return nil }) // all in one partition
	all[0].Event.Time = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	all[7].Event.Time = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)
	all[8].Event.Time = time.Now().Add(3 * time.Hour)
	all[100].Event.Value = make([]byte, 2<<20)   // for the producer
	all[200].Event.Value = make([]byte, 900<<10) // for the topic
	_, _ = rand.Read(all[200].Event.Value)
	limit := "100000"
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err == nil {
		err = admin.AlterConfig(sarama.TopicResource, "clicks", map[string]*string{"max.message.bytes": &limit}, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = sender(t, p, "clicks").Send(t.Context(), all)
	if got, want := refused(err), []int{8, 9, 101, 201}; !slices.Equal(got, want) {
		t.Errorf("lines %v are refused, want %v: %v", got, want, err)
	}
	all[0].Event.Time = time.Unix(0, 0) // the nearest that there is
	if got := read(t, client, all, 396); len(got) != 396 {
		t.Errorf("%d of the others are there, want 396", len(got))
	}
}
