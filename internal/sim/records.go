package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// logRecord is one record of a log, or a place that holds none that is ever delivered.
type logRecord struct {
	part *partition
	pos  int64 // from 1
	kind recordKind
	txn  *producerTxn // nil: visible at once

	id       string
	key      string // of the join; empty: none
	left     bool
	bad      bool // it cannot be processed
	unwanted bool // no flow wants it
	click    bool // the second flow wants it too
	time     time.Time
	produced time.Time
	exempt   bool    // the job had closed its hour before it was told of the topic
	hash     float64 // of the key, which decides the partition
}

type recordKind uint8

const (
	data    recordKind = iota
	control            // a transaction's marker: a position without a record
)

// producerTxn is a transaction of a producer.
type producerTxn struct {
	open, aborted bool
	records       []*logRecord
}

func (r *logRecord) String() string { return fmt.Sprintf("%s:%d", r.part.id.ID, r.pos) }

// delivered reports whether consumers ever get r.
func (r *logRecord) delivered() bool { return r.kind == data && (r.txn == nil || !r.txn.aborted) }

// straggler reports whether r may be late: it came later than the seals wait.
func (r *logRecord) straggler(lateness time.Duration) bool {
	return r.exempt || r.produced.Sub(r.time) > lateness
}

// partition is a log.
type partition struct {
	id      record.Partition
	lane    string
	topic   string
	log     []*logRecord // log[i] has position i+1
	open    *producerTxn
	retired bool
	hidden  time.Time // since when a file is not there; zero: it is
	shard
}

// stable is the position up to which records can be delivered: the last stable offset.
func (p *partition) stable() int64 {
	if p.open != nil && p.open.open {
		return p.open.records[0].pos - 1
	}
	return int64(len(p.log))
}

// atEnd reports whether nothing can follow pos but what is never delivered, and no transaction is open.
func (p *partition) atEnd(pos int64) bool {
	if p.open != nil && p.open.open {
		return false
	}
	return !slices.ContainsFunc(p.log[pos:], (*logRecord).delivered)
}

// lane is a unit of assignment.
type lane struct {
	name  string
	parts []*partition
	since time.Time // nobody reads it before
}

func (l *lane) assignment() driver.Assignment {
	a := driver.Assignment{Lane: l.name}
	for _, p := range l.parts {
		a.Partitions = append(a.Partitions, p.id)
	}
	return a
}
