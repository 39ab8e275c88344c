package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// A target that is away costs lag alone: no more manifests are read than units fit, and the log has a line for each change.
func TestATargetThatIsAwayCostsLagAlone(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 60)
	var manifests atomic.Int64
	store := sinktest.NewFaulty(job.Store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpRead && strings.Contains(c.Key, "/manifests/") {
			manifests.Add(1)
		}
		return sinktest.Pass
	})
	var away atomic.Bool
	var tries atomic.Int64
	away.Store(true)
	target := &names{fail: func(*delivery.Unit) error {
		tries.Add(1)
		if away.Load() {
			return fmt.Errorf("try %d: %w", tries.Load(), errAway)
		}
		return nil
	}}
	lines := &logged{}
	d := open(t, store, target, delivery.Options{Parallel: 3, Logger: lines.logger()})
	ctx, stop := context.WithCancel(deliverytest.Context(t.Context()))
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	waitFor(t, func() bool { return tries.Load() > 50 && d.Status().Loading == 4 })
	s := d.Status()
	if s.Condition != delivery.Fails || !errors.Is(s.LastError, errAway) || s.Lag.Time <= 0 || s.Rows != 0 || s.Lag.Entries < 4 {
		t.Errorf("status %+v, want it to fail and lag", s)
	}
	if n := manifests.Load(); n > 5 {
		t.Errorf("%d manifests were read while nothing could be loaded, want at most 5", n)
	}
	away.Store(false)
	waitFor(t, func() bool {
		s := d.Status()
		return s.Rows == 600 && s.Condition == delivery.Works && s.Lag == delivery.Lag{}
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	target.want(t, upTo(600)...)
	all := lines.lines()
	if len(all) != 2 || !bytes.Contains(all[0], []byte("trying on")) || !bytes.Contains(all[1], []byte("works again")) {
		t.Errorf("got %d lines, want one that it fails and one that it works again:\n%s", len(all), bytes.Join(all, []byte("\n")))
	}
}

func TestRefusedAccessIsTriedAgainAndToldApart(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 2)
	var tries atomic.Int64
	target := &names{fail: func(*delivery.Unit) error {
		if tries.Add(1) < 10 {
			return fmt.Errorf("the password has expired: %w", fs.ErrPermission)
		}
		return nil
	}}
	lines := &logged{}
	d := open(t, job.Store, target, delivery.Options{Ordered: true, Poll: -1, Logger: lines.logger()})
	run(t, d)
	target.want(t, upTo(20)...)
	if s := d.Status(); len(s.Parked) != 0 || s.Condition != delivery.Works {
		t.Errorf("status %+v, want nothing parked", s)
	}
	if all := lines.lines(); len(all) != 2 || !bytes.Contains(all[0], []byte("access is refused")) {
		t.Errorf("got the lines %s, want one about the access and one that it works again", all)
	}
}

func TestWhereOrderMattersARefusedUnitHoldsUpTheOthers(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 3)
	var mended atomic.Bool
	target := &names{}
	target.fail = func(*delivery.Unit) error {
		if len(target.known) == 1 && !mended.Load() {
			return delivery.Refuse(errors.New("too long"))
		}
		return nil
	}
	lines := &logged{}
	d := open(t, job.Store, target, delivery.Options{Ordered: true, Parallel: 8, Poll: -1, Logger: lines.logger()})
	done := make(chan error)
	go func() { done <- d.Run(deliverytest.Context(t.Context())) }()
	waitFor(t, func() bool { return d.Status().Condition == delivery.Blocked })
	target.want(t, upTo(10)...)
	mended.Store(true)
	if err := <-done; err != nil {
		t.Error(err)
	}
	target.want(t, upTo(30)...)
	if s := d.Status(); len(s.Parked) != 0 {
		t.Errorf("parked %+v, want none", s.Parked)
	}
	if all := lines.lines(); len(all) != 2 || !bytes.Contains(all[0], []byte("order matters")) {
		t.Errorf("got the lines %s, want one that it waits and one that it works again", all)
	}
}

func TestObserveIsCalledAtTheEnd(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 2)
	var last delivery.Status
	o := once
	o.Observe = func(s delivery.Status) { last = s }
	run(t, open(t, job.Store, &names{}, o))
	if last.Rows != 20 || last.Units != 2 || last.Delivery != "pg" {
		t.Errorf("the last status is %+v, want 20 rows in 2 units", last)
	}
}

func TestTheProgressLineSaysWhatMatters(t *testing.T) {
	s := delivery.Status{
		Delivery: "pg", Rows: 1200, Rate: 99.6, Rejected: 2, Parked: make([]delivery.Parked, 1), Condition: delivery.Fails,
		Cursor: delivery.Cursor{Ledger: "x", Entry: 17}, Lag: delivery.Lag{Entries: 4, Time: 90 * time.Second},
	}
	const want = "pg · 1200 rows · 100/s · entry 17 · 4 behind · lag 1m30s · 2 rejected · 1 PARKED · FAILING"
	if got := delivery.ProgressLine(s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
