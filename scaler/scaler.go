package scaler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Scaler keeps a target at the size that a policy wants. Run and Once must not be called concurrently; Decisions may be
// called at any time.
type Scaler struct {
	target Target
	policy Policy
	o      Options

	loaded bool   // the memory
	leads  bool   // as of the last step
	last   Change // the newest change made or noticed
	size   Size   // as of the last step; zero copies are not known
	tried  Change // the newest change whose outcome is not known

	mu        sync.Mutex
	decisions []Decision // a ring
	next      int
}

// New refuses options that make no sense, all faults in one error.
func New(target Target, policy Policy, o *Options) (*Scaler, error) {
	f, err := o.fill()
	if target == nil {
		err = errors.Join(err, errors.New("scaler: target is nil"))
	}
	if policy == nil {
		err = errors.Join(err, errors.New("scaler: policy is nil"))
	}
	if c, ok := policy.(*Combined); ok && (c == nil || c.floor == nil || c.correction == nil) {
		err = errors.Join(err, errors.New("scaler: a policy of NewCombined is nil"))
	}
	if err != nil {
		return nil, err
	}
	return &Scaler{target: target, policy: policy, o: f}, nil
}

// Run makes a step at once and then one every Options.Every, until ctx ends; it then returns nil. Errors of signals and
// targets do not end it: they are in the decisions and in the log.
func (s *Scaler) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		_, _ = s.Once(ctx) // its error is in the decision
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// Once makes one step, for a cron job: it measures, decides, acts and records. The error is that of the decision, for
// the exit code.
func (s *Scaler) Once(ctx context.Context) (Decision, error) {
	d := s.step(ctx)
	if s.leads { // those who watch have a memory of their own, and must not overwrite the leader's
		d.Err = errors.Join(d.Err, s.save(ctx))
	}
	if d.Err != nil {
		d.Error = d.Err.Error()
	}
	s.record(ctx, d)
	return d, d.Err
}

// step decides and acts. What it could not do is in the decision's Err.
func (s *Scaler) step(ctx context.Context) (d Decision) {
	d = Decision{At: s.o.Now().UTC(), Action: Failed, Why: "nothing was decided"}
	s.leads = false
	if d.Err = s.load(ctx); d.Err != nil {
		return d
	}
	var until time.Time
	until, s.leads = s.lead(ctx, &d)
	size, err := bounded(ctx, s.o.Timeout, s.target.Size)
	if err != nil {
		d.Err = errors.Join(d.Err, fmt.Errorf("scaler: read the size of the target: %w", err))
		return d
	}
	if s.last.At.After(d.At) { // the clock was set back since
		s.last.At = d.At
	}
	d.From, d.To = size, size
	d.Outside = s.notice(d.At, size)
	s.measure(ctx, &d)
	if size.Copies == 0 {
		d.Action, d.Why = Kept, "the target has 0 copies: somebody switched it off"
		return d
	}
	d.Want = s.policy.Want(Input{Now: d.At, Current: size, Sample: d.Sample, Last: s.last})
	d.To, d.Why = s.bound(d.Want, size)
	if until := s.last.At.Add(s.o.Respect); d.To != size && s.last.Outside && d.At.Before(until) {
		d.To, d.Why = size, fmt.Sprintf("left alone until %s, since somebody else set it; wanted %s: %s", until.Format(time.TimeOnly), d.To, d.Why)
	}
	switch {
	case d.To == size:
		d.Action = Kept
	case !s.leads:
		d.Action = Standby
	case s.o.DryRun:
		d.Action = DryRun
	default:
		s.act(ctx, until, &d)
	}
	return d
}

// lead reports whether this process may act, and until when; the zero time is without end.
func (s *Scaler) lead(ctx context.Context, d *Decision) (until time.Time, leading bool) {
	if s.o.Leader == nil || s.o.DryRun {
		return time.Time{}, true
	}
	until, err := bounded(ctx, s.o.Timeout, s.o.Leader.Lead)
	if err != nil {
		d.Err = fmt.Errorf("scaler: lead: %w", err)
		return until, false
	}
	return until, s.o.Now().Before(until)
}

// notice finds out whether somebody else has changed the size since the last step.
func (s *Scaler) notice(now time.Time, size Size) *Change {
	known := s.size.Copies > 0
	before := s.size
	s.size = size
	tried := s.tried
	s.tried = Change{}
	switch {
	case !known || before == size:
		return nil
	case size == tried.To: // it was made, and the reply was lost
		s.last = tried
		return nil
	}
	s.last = Change{At: now, From: before, To: size, Why: "changed by somebody else", Outside: true}
	c := s.last
	return &c
}

// measure reads the signals. What none of them knows stays unknown.
func (s *Scaler) measure(ctx context.Context, d *Decision) {
	for i, signal := range s.o.Signals {
		sample, err := bounded(ctx, s.o.Timeout, signal.Read)
		if err != nil {
			d.Ignored = append(d.Ignored, fmt.Sprintf("signal %d: %v", i+1, err))
		}
		d.Ignored = append(d.Ignored, sample.Check(d.At, s.o.Stale)...)
		d.Sample.fillFrom(sample)
	}
}

// bound keeps what a policy wants within Min and Max. A policy that holds is not overruled: if somebody set the size by
// hand to more than Max, missing data do not undo it.
func (s *Scaler) bound(w Want, current Size) (Size, string) {
	size := w.Size.Fill(current)
	if w.Hold && size == current {
		return size, w.Why
	}
	switch {
	case size.Copies > s.o.Max:
		size.Copies = s.o.Max
		return size, fmt.Sprintf("%s; %d copies wanted, %d is the maximum", w.Why, w.Size.Copies, s.o.Max)
	case size.Copies < s.o.Min:
		size.Copies = s.o.Min
		return size, fmt.Sprintf("%s; %d copies wanted, %d is the minimum", w.Why, w.Size.Copies, s.o.Min)
	}
	return size, w.Why
}

// Decisions returns the newest decisions, oldest first.
func (s *Scaler) Decisions() []Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(append([]Decision(nil), s.decisions[s.next:]...), s.decisions[:s.next]...)
}

func (s *Scaler) record(ctx context.Context, d Decision) {
	s.mu.Lock()
	if len(s.decisions) < s.o.Keep {
		s.decisions = append(s.decisions, d)
	} else {
		s.decisions[s.next] = d
		s.next = (s.next + 1) % s.o.Keep
	}
	s.mu.Unlock()
	s.o.Logger.LogAttrs(ctx, d.level(), "scaler", slog.Any("decision", d))
	if s.o.OnDecision != nil {
		s.o.OnDecision(d)
	}
}

// bounded calls f with a time limit.
func bounded[T any](ctx context.Context, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}
