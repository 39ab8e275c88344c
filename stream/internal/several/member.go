package several

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// member is one source. The goroutine of Poll uses it; the Poll of the member runs in one of its own, and the next begins
// only once what the last one brought has been delivered. AtEnd, Partitions and the methods of driver.Follower but Finish
// may be called by any goroutine.
type member struct {
	names
	src      driver.Source
	follower driver.Follower // the source, if it is one
	info     driver.SourceInfo
	wake     chan struct{} // the Source's: a Poll has ended

	ended  bool // Poll said that all has been delivered
	poll   context.Context
	cancel context.CancelFunc
	result chan result // of the Poll under way; nil: there is none
	got    *result     // of the last Poll, not delivered yet

	// paused are lanes, and how many batches came since. A member may deliver one more, and so may the Source: what the
	// Source has in hand when a lane is paused is that one, and the member's waits in aside.
	paused map[string]int
	aside  []*driver.Batch
}

// result is what a Poll returned.
type result struct {
	batch *driver.Batch
	err   error
}

// begin starts a Poll, unless something is there already.
func (m *member) begin() {
	if m.result != nil || m.got != nil || m.ended {
		return
	}
	if m.poll == nil || m.poll.Err() != nil {
		m.poll, m.cancel = context.WithCancel(context.Background())
	}
	ctx, done := m.poll, make(chan result, 1) // has room: nobody need wait for it
	m.result = done
	go func() {
		b, err := m.src.Poll(ctx)
		done <- result{b, err}
		retry.Wake(m.wake)
	}()
}

// look takes what a Poll has brought that is over.
func (m *member) look() {
	select {
	case r := <-m.result:
		m.took(r)
	default:
	}
}

func (m *member) took(r result) {
	m.result = nil
	switch {
	case errors.Is(r.err, io.EOF):
		m.ended = true
	case r.err != nil && m.poll.Err() != nil: // interrupted: the next Poll says it again, if it was something else
	case r.err != nil:
		m.got = &result{err: m.wrap(r.err)}
	case r.batch == nil:
	case r.batch.Lane != "" && m.waits(r.batch.Lane):
		m.aside = append(m.aside, r.batch)
	default:
		m.got = &r
	}
}

// waits reports whether a batch of the lane has to wait until the lane goes on.
func (m *member) waits(lane string) bool {
	n, paused := m.paused[lane]
	if paused {
		m.paused[lane]++
	}
	return n > 0
}

// interrupt ends the Poll under way and waits for it. What it brought is kept.
func (m *member) interrupt() {
	if m.result == nil {
		return
	}
	m.cancel()
	m.took(<-m.result)
}

// deliver returns what is there; nil is nothing.
func (m *member) deliver() *result {
	m.look()
	r := m.next() // came before what is in hand
	if r == nil {
		r, m.got = m.got, nil
	}
	if r != nil && r.batch != nil {
		for _, lane := range r.batch.Revoked {
			m.drop(lane)
		}
		m.batch(r.batch)
	}
	return r
}

// next takes the first batch that has waited for a lane that goes on.
func (m *member) next() *result {
	for i, b := range m.aside {
		if _, paused := m.paused[b.Lane]; !paused {
			m.aside = append(m.aside[:i:i], m.aside[i+1:]...)
			return &result{batch: b}
		}
	}
	return nil
}

// inHand reports whether the batch in hand is of the lane, or has one of its lists name it.
func (m *member) inHand(lane string) (records, revoked, assigned bool) {
	if m.got == nil || m.got.batch == nil {
		return false, false, false
	}
	b := m.got.batch
	return b.Lane == lane, slices.Contains(b.Revoked, lane), slices.ContainsFunc(b.Assigned, func(a driver.Assignment) bool { return a.Lane == lane })
}

// drop forgets what was read of a lane.
func (m *member) drop(lane string) {
	delete(m.paused, lane)
	kept := m.aside[:0]
	for _, b := range m.aside {
		if b.Lane == lane {
			b.Release()
		} else {
			kept = append(kept, b)
		}
	}
	m.aside = kept
	if records, _, _ := m.inHand(lane); records {
		m.got.batch.Release()
		m.got = nil
	}
}

// start begins a lane. If the batch in hand revokes it, the member no longer has it, and Poll will say so.
func (m *member) start(ctx context.Context, s driver.Start) error {
	m.interrupt()
	if _, revoked, _ := m.inHand(s.Lane); revoked {
		return nil
	}
	m.drop(s.Lane)
	m.ended = false
	s.From = mine(&m.names, s.From, m.progressIn)
	return m.wrap(m.src.Start(ctx, s))
}

func (m *member) pause(lane string, on bool) {
	m.interrupt()
	if on {
		had := 0
		if records, _, _ := m.inHand(lane); records {
			had++
		}
		for _, b := range m.aside { // of the last time: what comes now must not overtake it
			if b.Lane == lane {
				had++
			}
		}
		m.paused[lane] = had
	} else {
		delete(m.paused, lane)
	}
	m.src.Pause(lane, on)
}

func (m *member) finish(lanes []string) {
	if m.follower == nil || !m.info.LanesEnd {
		return
	}
	m.interrupt()
	var over []string
	for _, lane := range lanes {
		if _, _, anew := m.inHand(lane); anew { // it goes on, with other partitions
			continue
		}
		m.drop(lane)
		delete(m.pointers, lane)
		over = append(over, lane)
	}
	if len(over) > 0 {
		m.follower.Finish(over)
	}
}

func (m *member) close() error {
	if m.cancel != nil {
		m.cancel()
	}
	if m.result != nil {
		m.took(<-m.result)
	}
	for _, b := range m.aside {
		b.Release()
	}
	if m.got != nil && m.got.batch != nil {
		m.got.batch.Release()
	}
	m.aside, m.got = nil, nil
	return m.wrap(m.src.Close())
}

// wrap says whose error it is.
func (m *member) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("source %q: %w", m.name, err)
}

// view is the ledger as the member knows it.
func (m *member) view(l driver.Ledger) driver.Ledger {
	of := driver.Ledger{Signature: l.Signature}
	if l.Unfinished != nil {
		of.Unfinished = func() map[record.Partition]driver.Progress { return mine(&m.names, l.Unfinished(), m.progressIn) }
	}
	if l.Tell != nil {
		of.Tell = func(ctx context.Context) (map[record.Partition]driver.Standing, error) {
			all, err := l.Tell(ctx)
			return mine(&m.names, all, m.standingIn), err
		}
	}
	return of
}
