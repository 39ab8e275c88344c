package torture

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fate is what the producer knows of a record.
type fate uint8

const (
	unknown fate = iota // sending failed: it may be there or not
	acked
	aborted
)

// written is one that was produced.
type written struct {
	fate      fate
	partition int32
	offset    int64
	at        time.Time // event time
	acked     time.Time
}

// log is the producer's: what was sent and what the brokers said. It is safe for concurrent use.
type log struct {
	mu      sync.Mutex
	records map[string][]written // by topic; the index is the number in the id
}

func newLog(topics []string) *log {
	l := &log{records: map[string][]written{}}
	for _, t := range topics {
		l.records[t] = nil
	}
	return l
}

// add makes a record and returns its number.
func (l *log) add(topic string, at time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[topic] = append(l.records[topic], written{at: at})
	return len(l.records[topic]) - 1
}

// settle notes what became of a record.
func (l *log) settle(topic string, n int, f fate, partition int32, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.records[topic][n]
	r.fate, r.partition, r.offset, r.acked = f, partition, offset, time.Now()
}

// acknowledged counts the records that must be in the bucket.
func (l *log) acknowledged() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, rs := range l.records {
		for i := range rs {
			if rs[i].fate == acked {
				n++
			}
		}
	}
	return n
}

// value is a record's content; number reads its number back.
func value(topic string, n int, at time.Time) string {
	return fmt.Sprintf(`{"id":"%s:%d","at":%q,"fill":"%s"}`, topic, n, at.UTC().Format(time.RFC3339Nano), strings.Repeat("x", 100+n%50))
}

func number(id, topic string) (int, error) {
	s, ok := strings.CutPrefix(id, topic+":")
	if !ok {
		return 0, fmt.Errorf("id %q in a file of %s", id, topic)
	}
	return strconv.Atoi(s)
}

// ackedSince goes through the records that were acknowledged after a moment, the newest first, with their numbers. It needs
// the lock.
func (l *log) ackedSince(since time.Time, each func(k tag, n int, r *written)) {
	for topic, rs := range l.records {
		for i := len(rs) - 1; i >= 0 && rs[i].at.After(since.Add(-2*disorder)); i-- {
			if r := &rs[i]; r.fate == acked && r.acked.After(since) {
				each(tag{topic, int(r.partition)}, i, r)
			}
		}
	}
}

// firstSince returns, for each busy partition, the first offset that was acknowledged after a moment.
func (l *log) firstSince(since time.Time) map[tag]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[tag]int64{}
	l.ackedSince(since, func(k tag, _ int, r *written) {
		if o, ok := out[k]; !ok || r.offset < o {
			out[k] = r.offset
		}
	})
	return out
}

// busySince reports whether all partitions but the idle ones have had a record since.
func (l *log) busySince(since time.Time, parts int32) bool {
	return len(l.firstSince(since)) == int(parts-1)*len(topics)
}

// earliestBetween returns, for each partition, the first record that was acknowledged between two moments.
func (l *log) earliestBetween(since, until time.Time) map[tag]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[tag]int{}
	l.ackedSince(since, func(k tag, n int, r *written) {
		if r.acked.After(until) {
			return
		}
		if m, ok := out[k]; !ok || r.acked.Before(l.records[k.topic][m].acked) {
			out[k] = n
		}
	})
	return out
}

// newest is the newest event time that was acknowledged.
func (l *log) newest() (at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, rs := range l.records {
		for _, r := range rs {
			if r.fate == acked && r.at.After(at) {
				at = r.at
			}
		}
	}
	return at
}
