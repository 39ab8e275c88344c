package kafka_test

import (
	"bytes"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/kafka"
)

const keyFetch, keyListOffsets = 1, 2

// The group leans on the inside of the client library not to fetch, so a new version of it must not begin to.
func TestTheGroupFetchesNothingAndAnIdlePartitionIsNotHammered(t *testing.T) {
	s := &spy{count: map[int16]map[int16]int{}}
	w := at(t, behind(t, s.join))
	topic := w.topic(1)
	w.produce(topic, 0, 0, 10)
	s.mu.Lock()
	s.count = map[int16]map[int16]int{}
	s.mu.Unlock()
	r := read(t, w.open(&kafka.Options{SessionTimeout: time.Second}, topic))
	r.records(10)
	begin := time.Now()
	r.nothing()
	seconds := time.Since(begin).Seconds()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.count[keyFetch]) != 1 || s.count[keyFetch][13] == 0 {
		t.Errorf("Fetch requests by version: %v; ours are of v13, the client library's of another one", s.count[keyFetch])
	}
	if n := s.count[keyFetch][13]; float64(n) > 6+6*seconds {
		t.Errorf("%d Fetch requests for 10 records and %.1f idle seconds", n, seconds)
	}
	for v, n := range s.count[keyListOffsets] {
		if n > 4 {
			t.Errorf("%d ListOffsets requests of v%d", n, v)
		}
	}
	t.Logf("requests by key and version: %v", s.count)
}

func TestABrokerWithoutTopicIDsInFetchIsReadByName(t *testing.T) {
	s := &spy{count: map[int16]map[int16]int{}, old: true}
	w := at(t, behind(t, s.join))
	topic := w.topic(2)
	w.produce(topic, 0, 0, 100)
	r := read(t, w.open(&kafka.Options{Refresh: 200 * time.Millisecond}, topic))
	r.records(100)
	name := r.partition(topic, 0)
	r.check(name, 0, 100)
	if !r.ended(name, 100) || r.ended(name, 99) {
		t.Error("the end is not proved, or where it is not")
	}
	s.mu.Lock()
	if s.count[keyFetch][12] == 0 || s.count[keyFetch][13] > 0 {
		t.Errorf("Fetch requests by version: %v", s.count[keyFetch])
	}
	s.mu.Unlock()
	w.must(w.admin.DeleteTopic(topic))
	w.eventually("the topic is made again", func() bool { return w.again(topic) })
	r.lost(name, 100, -1) // by metadata, since the broker cannot tell
}

// spy forwards connections to a broker and counts requests by their key.
type spy struct {
	mu    sync.Mutex
	count map[int16]map[int16]int // by key, by version
	old   bool                    // make the broker say that it has Fetch up to v12 only
}

func (s *spy) join(client, broker net.Conn) {
	go s.pipe(client, broker, true)
	go s.pipe(broker, client, false)
}

// behind starts a broker that clients reach through connections of ours: join is called for each, with both of its ends, and
// must not block. It returns the addresses to give to a client.
func behind(t *testing.T, join func(client, broker net.Conn)) []string {
	t.Helper()
	servertest.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var own atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", "127.0.0.1:"+strconv.FormatInt(own.Load(), 10))
			if err != nil {
				_ = c.Close()
				continue
			}
			join(c, up)
		}
	}()
	k := servertest.Kafka(t, &servers.KafkaOptions{Advertise: func(p int) (int, error) {
		own.Store(int64(p))
		return l.Addr().(*net.TCPAddr).Port, nil
	}})
	return k.Brokers()
}

func (s *spy) pipe(from, to net.Conn, requests bool) {
	defer from.Close()
	defer to.Close()
	var seen []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if requests {
			seen = s.note(append(seen, buf[:n]...))
		}
		if have := []byte{0, keyFetch, 0, 4, 0}; s.old && !requests { // key, oldest and newest version
			if i := bytes.Index(buf[:n], have); i >= 0 && i+len(have) < n {
				buf[i+len(have)] = 12
			}
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// note counts the whole requests in b and returns the rest.
func (s *spy) note(b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(b) >= 8 {
		size := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if len(b) < 4+size {
			break
		}
		key, version := int16(b[4])<<8|int16(b[5]), int16(b[6])<<8|int16(b[7])
		if s.count[key] == nil {
			s.count[key] = map[int16]int{}
		}
		s.count[key][version]++
		b = b[4+size:]
	}
	return b
}
