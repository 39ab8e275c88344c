package fetch

import "time"

// found goes on in a partition whose log begins at first and ends before last. start is where a warm-up begins.
func (p *part) found(first, last, start int64) {
	k := p.plan
	switch {
	case k.next < 0 && k.phase == warming:
		k.next = max(first, start)
		if err := p.tooShort(first); err != nil {
			p.lane.r.fail(err)
			return
		}
		if k.next >= k.stop {
			p.look, k.done = false, true
			p.lane.moveOn()
			return
		}
	case k.next < 0, k.fresh() && k.next < first:
		k.next = first
	case k.next < first:
		p.lane.r.fail(p.lost(k.next, first, "the broker says that the log begins at offset %d; retention or a deletion of records does that", first))
		return
	case k.next > last:
		if p.health.beyond++; p.health.beyond < 4 { // a new leader may be behind for a moment
			p.reroute(-1)
			return
		}
		if k.consumed > last {
			p.lane.r.fail(p.lost(last, k.consumed, "the broker says that the log ends at offset %d; an unclean election of a leader or a topic that was restored does that", last))
			return
		}
		k.next = last
	}
	// The offset exists. If the broker still refused it, it could not place the epoch of the batch before it.
	k.lastEpoch = -1
	p.look, p.health.beyond = false, 0
	p.lane.r.wakeLoops()
}

// tooShort returns an error if retention may have taken records that a warm-up needs. The log begins at first.
func (p *part) tooShort(first int64) error {
	keeps := p.lane.r.opts.Retention(p.topic)
	if first == 0 || p.plan.next > first || keeps <= 0 || p.plan.warmFrom.IsZero() || time.Since(p.plan.warmFrom) < keeps {
		return nil
	}
	return p.lost(0, first, "records since %s are needed to warm up, and the topic keeps them for %s",
		p.plan.warmFrom.UTC().Format(time.RFC3339), keeps)
}
