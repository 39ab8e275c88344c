package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/kafka"
)

// traffic in real time: hits happen now, and each gets into the log when it arrives. What it is good for is to see how
// long a hit takes until its row is in a visible file.
type live struct {
	truth *Truth
	lines [][]line // of each partition, in the order of arrival

	mu   sync.Mutex
	sent map[string]time.Time // when the last record that a row needs went to the log
}

// makeLive makes the traffic of the next o.live. There are no stragglers: the hour that they missed is still open.
func makeLive(o *options, flows []sink.Flow[Hit]) (*live, error) {
	if _, err := os.Stat(o.traffic); err == nil {
		return nil, fmt.Errorf("%s is there: live traffic is gone when it is over, so it needs a new -out", o.traffic)
	}
	m := newMaker(o, flows, time.Now().UTC().Add(time.Second))
	m.live, m.span, m.delay, m.tardy = true, o.live, pairDelay, pairDelay
	m.tail = o.window + grace + pairDelay // the last load's time is over before the traffic ends
	l := &live{truth: m.truth, sent: map[string]time.Time{}}
	for p := range partitions {
		m.partition(o.events/partitions, p)
		l.lines = append(l.lines, slices.Clone(m.lines))
	}
	return l, errors.Join(m.err, os.MkdirAll(o.traffic, 0o777))
}

// source is what reads the log, and send what writes to it.
func (l *live) source(ctx context.Context, o *options) (src stream.Source, send func(int, []line) error, err error) {
	if o.kafka == "" {
		src, err = file.Open(file.Config{Dir: o.traffic}, &file.Options{Follow: true, Poll: 100 * time.Millisecond})
		return src, func(p int, lines []line) error { return appendTo(filepath.Join(o.traffic, fileOf(p)), lines) }, err
	}
	brokers, name := strings.Split(o.kafka, ","), "newsroom-live-"+l.truth.Name
	t, err := openTopic(brokers, name)
	if err != nil {
		return nil, nil, err
	}
	src, err = kafka.Open(ctx, kafka.Config{Brokers: brokers, Group: name, Topics: []string{name}}, nil)
	return src, t.send, err
}

func appendTo(name string, lines []line) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	var text []byte
	for _, l := range lines {
		text = append(append(text, l.text...), '\n')
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// feed writes each line when it is due. It ends when all are written.
func (l *live) feed(ctx context.Context, send func(int, []line) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for left := true; left; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		left = false
		for p, lines := range l.lines {
			now := time.Now()
			n := 0
			for n < len(lines) && !lines[n].arrival.After(now) {
				n++
			}
			l.note(lines[:n], now)
			if err := send(p, lines[:n]); err != nil {
				return fmt.Errorf("write live traffic: %w", err)
			}
			l.lines[p] = lines[n:]
			left = left || n < len(lines)
		}
	}
	return nil
}

func (l *live) note(lines []line, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range lines {
		if of := lines[i].of; of != "" {
			l.sent[of] = now
		}
	}
}
