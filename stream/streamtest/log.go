package streamtest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Log is a service that keeps records in partitions, in memory. It outlives the Sources that read it, as a broker
// outlives its clients. It is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	lanes   []driver.Assignment
	parts   map[record.Partition]*partLog
	changed chan struct{} // closed and made anew at each change
}

type partLog struct {
	records  []record.Record
	kept     int // index of the first record that retention has left
	ended    bool
	children []record.Partition
	open     bool // a transaction that is not finished waits behind the records
}

// NewLog makes a log with one lane for each argument, of so many partitions. Lane i is called "lane-i", and partition k
// of it has the ID "i.k".
func NewLog(partitions ...int) *Log {
	l := &Log{parts: map[record.Partition]*partLog{}, changed: make(chan struct{})}
	for i, n := range partitions {
		a := driver.Assignment{Lane: fmt.Sprintf("lane-%d", i)}
		for k := range n {
			p := record.Partition{Source: "log", Epoch: "1", ID: fmt.Sprintf("%d.%d", i, k)}
			a.Partitions = append(a.Partitions, p)
			l.parts[p] = &partLog{}
		}
		l.lanes = append(l.lanes, a)
	}
	return l
}

// Partition returns partition k of lane i.
func (l *Log) Partition(i, k int) record.Partition { return l.lanes[i].Partitions[k] }

// Lanes returns the names of all lanes.
func (l *Log) Lanes() (names []string) {
	for _, a := range l.lanes {
		names = append(names, a.Lane)
	}
	return names
}

// Append adds records with the given values to partition k of lane i. at is their Record.Time.
func (l *Log) Append(i, k int, at time.Time, values ...string) {
	l.change(func() {
		id := l.Partition(i, k)
		p := l.parts[id]
		for _, v := range values {
			p.records = append(p.records, record.Record{
				Partition: &id, Position: record.Position{Sub: int64(len(p.records) + 1)}, Value: []byte(v), Time: at,
			})
		}
	})
}

// End says that partition k of lane i gets no more records; children take its place.
func (l *Log) End(i, k int, children ...record.Partition) {
	l.change(func() {
		p := l.parts[l.Partition(i, k)]
		p.ended, p.children = true, children
	})
}

// EndAll ends all partitions, so that a Source comes to io.EOF.
func (l *Log) EndAll() {
	l.change(func() {
		for _, p := range l.parts {
			p.ended = true
		}
	})
}

// OpenTransaction says whether an unfinished transaction waits at the end of partition k of lane i: then the log's end
// cannot be proved.
func (l *Log) OpenTransaction(i, k int, open bool) {
	l.change(func() { l.parts[l.Partition(i, k)].open = open })
}

// Trim is retention: it forgets the first n records of partition k of lane i.
func (l *Log) Trim(i, k, n int) {
	l.change(func() { l.parts[l.Partition(i, k)].kept = n })
}

func (l *Log) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns a channel that is closed at the next change.
func (l *Log) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// read returns up to n records of p from index from on, and whether the partition ends behind them.
func (l *Log) read(p record.Partition, from, n int) (records []record.Record, ended bool, children []record.Partition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.parts[p]
	if from < len(log.records) {
		records = slices.Clone(log.records[from:min(from+n, len(log.records))])
	}
	return records, log.ended && from+len(records) >= len(log.records), log.children
}

// atEnd reports whether p has no record behind at, and nothing that may become one.
func (l *Log) atEnd(p record.Partition, at record.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.parts[p]
	return log != nil && !log.open && int64(len(log.records)) == at.Sub
}
