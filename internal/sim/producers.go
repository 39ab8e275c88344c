package sim

import (
	"fmt"
	"slices"
	"time"
)

// producers append to the logs. They remember what still belongs to what they wrote.
type producers struct {
	sched     *scheduler
	cfg       *config
	src       *source
	committed func([]*logRecord) // is told of the records of a transaction that was committed

	serial   int // of IDs
	partners []partnerOf
	copies   []*logRecord
}

// produce appends a few records somewhere.
func (w *producers) produce() {
	p := w.src.any()
	if p.retired || p.closed {
		return
	}
	for range 1 + w.sched.rng.IntN(4) {
		w.append(p)
	}
	if p.open != nil && p.open.open && w.sched.chance(0.5) {
		w.endTxn(p)
	}
}

// append adds one record to p, perhaps with its partner or a copy elsewhere in the lane.
func (w *producers) append(p *partition) {
	if w.cfg.txns && (p.open == nil || !p.open.open) && w.sched.chance(0.15) {
		p.open = &producerTxn{open: true}
	}
	w.serial++
	r := &logRecord{id: fmt.Sprintf("r%d", w.serial), click: w.sched.chance(0.4), time: w.sched.now}
	if w.cfg.reshards {
		r.hash = p.lo + w.sched.rng.Float64()*(p.hi-p.lo)
	}
	switch c := w.sched.rng.Float64(); {
	case w.cfg.join && c < 0.45:
		r.key, r.left = "k"+r.id, w.sched.chance(0.6)
		r.time = w.sched.now.Add(-w.sched.upTo(grace))
		if w.sched.chance(0.05) { // nothing can match it any more
			r.time, r.left = w.sched.now.Add(-lateness-window-w.sched.upTo(3*time.Minute)), true
			w.put(p, r)
			return
		}
		w.put(p, r)
		if w.sched.chance(0.7) {
			w.partner(r)
		}
		if r.left {
			w.copyLater(r, 0.2)
		}
		return
	case w.cfg.asof && c < 0.45:
		w.history(p, r)
		return
	case c < 0.52:
		r.bad = true
	case c < 0.58:
		r.unwanted = true
	case c < 0.66:
		r.time = w.sched.now.Add(-lateness - w.sched.upTo(3*time.Minute))
	case w.cfg.odd && c < 0.68: // the clock of who wrote it is wrong
		r.time = w.sched.now.Add(rule.Near + time.Millisecond + w.sched.upTo(10*hour))
		if w.cfg.join || w.cfg.asof { // not so near that it is believed once event time has moved on: others would come too late for the join
			r.time = r.time.Add(10 * hour)
		}
	case w.cfg.ahead > 0 && c < 0.9:
		r.time = w.sched.now.Add(w.cfg.ahead - w.sched.upTo(time.Second))
	default:
		r.time = w.onTime()
	}
	w.put(p, r)
	if !r.bad && !r.unwanted && r.produced.Sub(r.time) <= lateness {
		w.copyLater(r, 0.35)
	}
}

// history begins a key of the as-of join: right events, and left ones that may get one of them.
func (w *producers) history(p *partition, r *logRecord) {
	r.key, r.left, r.time = "k"+r.id, w.sched.chance(0.3), w.recent()
	if w.sched.chance(0.05) { // it is alone
		r.time, r.left = w.sched.now.Add(-lateness-window-w.sched.upTo(3*time.Minute)), true
		w.put(p, r)
		return
	}
	w.put(p, r)
	for i := range w.sched.rng.IntN(6) {
		other := &logRecord{id: fmt.Sprintf("%s.%d", r.id, i), key: r.key, left: w.sched.chance(0.6), click: r.click, hash: r.hash}
		within := window * 3 / 2
		if w.sched.chance(0.3) {
			within = grace
		}
		w.partners = append(w.partners, partnerOf{r, other, w.sched.now.Add(w.sched.upTo(within))})
	}
	if r.left {
		w.copyLater(r, 0.2)
	}
}

// recent is the time of a record that is joined. In the as-of join several of a key have one time now and then.
func (w *producers) recent() time.Time {
	const step = grace * 2 / 3
	if w.cfg.asof {
		return w.sched.now.Add(-w.sched.upTo(grace - step)).Truncate(step)
	}
	return w.sched.now.Add(-w.sched.upTo(grace))
}

// onTime is the time of a record that comes now and is not late, though others go ahead.
func (w *producers) onTime() time.Time { return w.sched.now.Add(-w.sched.upTo(lateness - w.cfg.ahead)) }

// copyLater lets another record with the same ID come, perhaps.
func (w *producers) copyLater(r *logRecord, p float64) {
	if w.cfg.dedup && w.sched.chance(p) {
		w.copies = append(w.copies, r)
	}
}

// partner lets the other side of a join come, at once or a while later.
func (w *producers) partner(r *logRecord) {
	other := &logRecord{id: r.id + "'", key: r.key, left: !r.left, click: r.click, hash: r.hash}
	w.partners = append(w.partners, partnerOf{r, other, w.sched.now.Add(w.sched.upTo(window))})
}

type partnerOf struct {
	of, other *logRecord
	due       time.Time
}

// later produces what is due: partners and copies of earlier records.
func (w *producers) later() {
	for i := 0; i < len(w.partners); i++ {
		p := w.partners[i]
		if p.due.After(w.sched.now) {
			continue
		}
		w.partners = slices.Delete(w.partners, i, i+1)
		i--
		p.other.time = w.recent()
		w.put(w.sibling(p.of), p.other)
	}
	if len(w.copies) > 0 && w.sched.chance(0.05) {
		i := w.sched.rng.IntN(len(w.copies))
		r := w.copies[i]
		if r.txn != nil && r.txn.open {
			return // if it is aborted, its partner would have come to be that of the copy, which comes too late for it
		}
		w.copies = slices.Delete(w.copies, i, i+1)
		if w.sched.now.Sub(r.produced) <= copyWithin {
			c := *r
			if c.txn = nil; c.key == "" {
				c.time = w.onTime() // else whichever wins has the same partner
			}
			w.put(w.sibling(r), &c)
		}
	}
}

// sibling is where a record that belongs to r may come: a random partition of its lane, or the one that its key is in now.
func (w *producers) sibling(r *logRecord) *partition {
	p := r.part
	if w.cfg.reshards {
		return w.src.route(p.topic, r.hash)
	}
	for _, l := range w.src.lanes {
		if l.name == p.lane {
			return l.parts[w.sched.rng.IntN(len(l.parts))]
		}
	}
	return p
}

// put appends r to the log of p.
func (w *producers) put(p *partition, r *logRecord) {
	if p.retired {
		return
	}
	r.part, r.pos, r.produced = p, int64(len(p.log))+1, w.sched.now
	r.time = r.time.Round(time.Millisecond)
	p.log = append(p.log, r)
	if p.open != nil && p.open.open {
		r.txn = p.open
		p.open.records = append(p.open.records, r)
	}
	w.sched.logf("produce %s id %s key %q time %s", r, r.id, r.key, r.time.Format("15:04:05.000"))
}

// endTxn commits or aborts the open transaction of p, which leaves a marker in its log.
func (w *producers) endTxn(p *partition) {
	t := p.open
	if t == nil || !t.open || len(t.records) == 0 || p.retired {
		return
	}
	t.open, t.aborted = false, w.sched.chance(0.3)
	p.log = append(p.log, &logRecord{part: p, pos: int64(len(p.log)) + 1, kind: control})
	w.sched.logf("%s ends a transaction, aborted %v", p.id.ID, t.aborted)
	if t.aborted {
		for _, r := range t.records {
			w.forgetPartners(r)
		}
	} else {
		w.committed(t.records)
	}
}

// forgetPartners keeps the expectation simple: an aborted record is nobody's partner or copy.
func (w *producers) forgetPartners(r *logRecord) {
	w.partners = slices.DeleteFunc(w.partners, func(p partnerOf) bool { return p.of == r })
	w.copies = slices.DeleteFunc(w.copies, func(c *logRecord) bool { return c == r })
}

// endLane lets nothing more come to a lane. It reports whether it could: a partner of a record of it may still be to come.
func (w *producers) endLane(l *lane) bool {
	if slices.ContainsFunc(w.partners, func(p partnerOf) bool { return p.of.part.lane == l.name }) {
		return false
	}
	w.copies = slices.DeleteFunc(w.copies, func(r *logRecord) bool { return r.part.lane == l.name })
	for _, p := range l.parts {
		p.closed = true
	}
	return true
}

// last appends a record to each partition that is open, and ends all transactions.
func (w *producers) last() {
	for _, p := range w.src.partList {
		if p.closed {
			continue
		}
		w.endTxn(p)
		w.append(p)
		w.endTxn(p)
	}
}
