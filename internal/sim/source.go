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

// addLane makes a lane with a partition of each of the topics.
func (w *world) addLane(topics ...string) {
	n := w.numbers[topics[0]]
	w.numbers[topics[0]]++
	l := &lane{name: fmt.Sprintf("%s-%d", topics[0], n)}
	for _, t := range topics {
		p := &partition{id: record.Partition{Source: t, Epoch: "1", ID: fmt.Sprintf("%s%d", t, n)}, lane: l.name, topic: t}
		if w.cfg.reshards {
			l.name, p.shard = p.id.ID, shard{lo: float64(n), hi: float64(n + 1)}
			p.lane = l.name
		}
		l.parts = append(l.parts, p)
		w.parts[p.id] = p
		w.partList = append(w.partList, p)
	}
	if l.since = w.now; w.now != w.began && w.chance(0.5) {
		l.since = w.now.Add(w.upTo(2 * hour)) // hours wait for it
	}
	w.lanes = append(w.lanes, l)
	w.logf("lane %s with %d partitions", l.name, len(l.parts))
}

// produce appends a few records somewhere.
func (w *world) produce() {
	p := w.partList[w.rng.IntN(len(w.partList))]
	if p.retired || p.closed {
		return
	}
	for range 1 + w.rng.IntN(4) {
		w.append(p)
	}
	if p.open != nil && p.open.open && w.chance(0.5) {
		w.endTxn(p)
	}
}

// append adds one record to p, perhaps with its partner or a copy elsewhere in the lane.
func (w *world) append(p *partition) {
	if w.cfg.txns && (p.open == nil || !p.open.open) && w.chance(0.15) {
		p.open = &producerTxn{open: true}
	}
	w.serial++
	r := &logRecord{id: fmt.Sprintf("r%d", w.serial), click: w.chance(0.4), time: w.now}
	if w.cfg.reshards {
		r.hash = p.lo + w.rng.Float64()*(p.hi-p.lo)
	}
	switch c := w.rng.Float64(); {
	case w.cfg.join && c < 0.45:
		r.key, r.left = "k"+r.id, w.chance(0.6)
		r.time = w.now.Add(-w.upTo(grace))
		if w.chance(0.05) { // nothing can match it any more
			r.time, r.left = w.now.Add(-lateness-window-w.upTo(3*time.Minute)), true
			w.put(p, r)
			return
		}
		w.put(p, r)
		if w.chance(0.7) {
			w.partner(r)
		}
		if r.left {
			w.copyLater(r, 0.2)
		}
		return
	case c < 0.52:
		r.bad = true
	case c < 0.58:
		r.unwanted = true
	case c < 0.66:
		r.time = w.now.Add(-lateness - w.upTo(3*time.Minute))
	case w.cfg.odd && c < 0.68: // the clock of who wrote it is wrong
		r.time = w.now.Add(rule.Near + time.Millisecond + w.upTo(10*hour))
	case w.cfg.ahead > 0 && c < 0.9:
		r.time = w.now.Add(w.cfg.ahead - w.upTo(time.Second))
	default:
		r.time = w.onTime()
	}
	w.put(p, r)
	if !r.bad && !r.unwanted && r.produced.Sub(r.time) <= lateness {
		w.copyLater(r, 0.35)
	}
}

// onTime is the time of a record that comes now and is not late, though others go ahead.
func (w *world) onTime() time.Time { return w.now.Add(-w.upTo(lateness - w.cfg.ahead)) }

// copyLater lets another record with the same ID come, perhaps.
func (w *world) copyLater(r *logRecord, p float64) {
	if w.cfg.dedup && w.chance(p) {
		w.copies = append(w.copies, r)
	}
}

// partner lets the other side of a join come, at once or a while later.
func (w *world) partner(r *logRecord) {
	other := &logRecord{id: r.id + "'", key: r.key, left: !r.left, click: r.click, hash: r.hash}
	w.partners = append(w.partners, partnerOf{r, other, w.now.Add(w.upTo(window))})
}

type partnerOf struct {
	of, other *logRecord
	due       time.Time
}

// later produces what is due: partners and copies of earlier records.
func (w *world) later() {
	for i := 0; i < len(w.partners); i++ {
		p := w.partners[i]
		if p.due.After(w.now) {
			continue
		}
		w.partners = slices.Delete(w.partners, i, i+1)
		i--
		p.other.time = w.now.Add(-w.upTo(grace))
		w.put(w.sibling(p.of), p.other)
	}
	if len(w.copies) > 0 && w.chance(0.05) {
		i := w.rng.IntN(len(w.copies))
		r := w.copies[i]
		if r.txn != nil && r.txn.open {
			return // if it is aborted, its partner would have come to be that of the copy, which comes too late for it
		}
		w.copies = slices.Delete(w.copies, i, i+1)
		if w.now.Sub(r.produced) <= copyWithin {
			c := *r
			if c.txn = nil; c.key == "" {
				c.time = w.onTime() // else whichever wins has the same partner
			}
			w.put(w.sibling(r), &c)
		}
	}
}

// sibling is where a record that belongs to r may come: a random partition of its lane, or the one that its key is in now.
func (w *world) sibling(r *logRecord) *partition {
	p := r.part
	if w.cfg.reshards {
		return w.route(p.topic, r.hash)
	}
	for _, l := range w.lanes {
		if l.name == p.lane {
			return l.parts[w.rng.IntN(len(l.parts))]
		}
	}
	return p
}

// put appends r to the log of p.
func (w *world) put(p *partition, r *logRecord) {
	if p.retired {
		return
	}
	r.part, r.pos, r.produced = p, int64(len(p.log))+1, w.now
	r.time = r.time.Round(time.Millisecond)
	p.log = append(p.log, r)
	if p.open != nil && p.open.open {
		r.txn = p.open
		p.open.records = append(p.open.records, r)
	}
	w.logf("produce %s id %s key %q time %s", r, r.id, r.key, r.time.Format("15:04:05.000"))
}

// endTxn commits or aborts the open transaction of p, which leaves a marker in its log.
func (w *world) endTxn(p *partition) {
	t := p.open
	if t == nil || !t.open || len(t.records) == 0 || p.retired {
		return
	}
	t.open, t.aborted = false, w.chance(0.3)
	p.log = append(p.log, &logRecord{part: p, pos: int64(len(p.log)) + 1, kind: control})
	w.logf("%s ends a transaction, aborted %v", p.id.ID, t.aborted)
	if t.aborted {
		for _, r := range t.records {
			w.forgetPartners(r)
		}
	} else {
		w.check.visible(t.records)
	}
}

// forgetPartners keeps the expectation simple: an aborted record is nobody's partner or copy.
func (w *world) forgetPartners(r *logRecord) {
	w.partners = slices.DeleteFunc(w.partners, func(p partnerOf) bool { return p.of == r })
	w.copies = slices.DeleteFunc(w.copies, func(c *logRecord) bool { return c == r })
}
