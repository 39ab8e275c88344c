package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// reader reads one shard for one run: warm-up, then pending records, then new ones. It makes every iterator from the
// position that was reached, never from where the reading began.
type reader struct {
	q    *reading
	run  *run
	part record.Partition
	plan *plan
	un   unpacker
	pace *service.Pace

	at       origin
	iterator string    // of at; empty: to be made
	bound    time.Time // all that arrived by then was delivered, or was there before the job
	armed    bool      // what follows bound must come
	anchor   string    // sequence number that must be the first to come; empty: none
	guess    int64     // bytes of the next answer
	limit    int32     // records of the next answer

	// Guarded by reading.mu.
	sent    record.Position // the last position that was queued, with all that the service gave up to it
	caught  bool            // something was read since sent came from the ledger
	bad     error           // the last error, if the last request failed
	badFrom time.Time
	fails   int
	behind  time.Duration
}

// newReader needs q.mu.
func newReader(q *reading, r *run, p record.Partition, k *plan) *reader {
	rd := &reader{q: q, run: r, part: p, plan: k, guess: 256 << 10, limit: q.opts.Limit, pace: q.list.PaceOf(p)}
	rd.un.part = &rd.part
	if sh, ok := q.list.Of(p); ok {
		rd.un.keys = sh.Keys
		// A shard without parents has had its range for as long as the stream exists, so producers meant no other shard.
		rd.un.filter = len(sh.Parents) > 0 && !sh.Keys.All() && !q.svc.Is.Auto
	}
	return rd
}

// main reads until there is nothing more, or ctx is done.
func (r *reader) main(ctx context.Context, warm bool) {
	for ph := warming; ph <= following; ph++ {
		from, skip := r.plan.enter(ph)
		if ph == warming && !warm {
			skip = true
		}
		if !skip {
			if err := r.phase(ctx, from); err != nil {
				if ctx.Err() == nil {
					r.q.failRun(r.run, err)
				}
				return
			}
		}
		if ph < following && r.q.done(ctx, r.run, ph, warm) != nil {
			return
		}
	}
}

// phase reads from a place until the plan is satisfied or the shard has ended.
func (r *reader) phase(ctx context.Context, from origin) error {
	r.at, r.iterator = from, ""
	r.anchor = ""
	if r.plan.phase == following {
		r.anchor = from.seq
	}
	if r.gone() {
		return r.lost("the service does not list the shard any more")
	}
	if r.q.opts.FanOut != "" && r.plan.phase == following { // what is old is polled: a subscription lasts, and keeps the next one away
		return r.subscribe(ctx)
	}
	_, err := r.poll(ctx, time.Time{})
	return err
}

// poll reads again and again until the phase is over, or until the time until, if that is not zero.
func (r *reader) poll(ctx context.Context, until time.Time) (over bool, err error) {
	for until.IsZero() || time.Now().Before(until) {
		if err := r.q.waitRoom(ctx, r.run, r.guess); err != nil {
			return false, err
		}
		booked := r.guess
		out, took, err := r.read(ctx)
		if err != nil {
			r.q.unbook(booked)
			if err := r.failed(ctx, err); err != nil {
				return false, err
			}
			continue
		}
		a := answer{out.Records, out.NextShardIterator == nil, aws.ToInt64(out.MillisBehindLatest), out.ChildShards, service.ServerTime(out.ResultMetadata, took)}
		at := r.at
		over, err := r.take(ctx, &a)
		r.q.unbook(booked)
		if err != nil || over {
			return over, err
		}
		if r.at == at || r.at.after {
			r.iterator = aws.ToString(out.NextShardIterator)
		}
		if a.behind == 0 {
			if err := retry.Sleep(ctx, retry.Around(r.q.opts.Poll)-service.MinPoll, nil); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// answer is what the service says of a shard at once.
type answer struct {
	records  []types.Record
	ended    bool  // there is nothing behind records, and never will be
	behind   int64 // milliseconds
	children []types.ChildShard
	now      time.Time // the service's clock
}

// read asks for records. If there is no iterator it makes one for the present place.
func (r *reader) read(ctx context.Context) (*kinesis.GetRecordsOutput, time.Time, error) {
	if err := r.pace.Wait(ctx); err != nil {
		return nil, time.Time{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.q.opts.Timeout)
	defer cancel()
	if r.iterator == "" {
		it, err := r.q.svc.Iterator(ctx, r.part, r.at.starting())
		if err != nil {
			return nil, time.Time{}, err
		}
		r.iterator = it
	}
	asked := time.Now()
	out, err := r.q.svc.Client.GetRecords(ctx, &kinesis.GetRecordsInput{
		ShardIterator: &r.iterator, Limit: &r.limit, StreamARN: &r.part.Source,
	})
	r.fit(time.Since(asked), errors.Is(ctx.Err(), context.DeadlineExceeded))
	if err != nil {
		return nil, asked, err
	}
	n := 0
	for i := range out.Records {
		n += len(out.Records[i].Data)
	}
	r.pace.Read(n)
	r.guess = min(minBuffer, max(256<<10, int64(n)+int64(n)/2))
	return out, asked, nil
}

// fit asks for fewer records if this answer did not come in time, since the same request may take as long again. 10 MB are
// too much for a slow line, or for a service that is busy with answers which nobody waits for any more. While answers come
// quickly it asks for more again.
func (r *reader) fit(took time.Duration, late bool) {
	switch {
	case late:
		r.limit = max(1, r.limit/16)
	case took < r.q.opts.Timeout/4:
		r.limit = min(r.q.opts.Limit, 2*r.limit)
	}
}

// take delivers the records of an answer. It returns true if the phase is over.
func (r *reader) take(ctx context.Context, a *answer) (over bool, err error) {
	if err := r.check(a); err != nil {
		return false, err
	}
	k := r.plan
	ds, last, over, err := r.un.unpack(a.records, k, []*delivery{newDelivery(r.run.lane.assignment.Lane, k.phase == warming)})
	if errors.Is(err, errLater) {
		r.at, _ = k.enter(warming)
		r.at, r.iterator = origin{seq: k.pending.First.Seq}, ""
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("kinesis: %v: %w", r.part, err)
	}
	if !over && (a.ended || a.behind == 0 && k.phase != following) {
		over = true // as far as this phase goes
		if err := k.finish(last); err != nil && k.phase == replaying {
			return false, fmt.Errorf("kinesis: %v: %w", r.part, err)
		}
	}
	ended := a.ended && k.phase == following
	if ended {
		children, err := r.children(ctx, a.children)
		if err != nil {
			return false, err
		}
		d := ds[len(ds)-1]
		d.Ended = append(d.Ended, driver.Ended{Partition: r.part, Children: children})
	}
	if n := len(a.records); n > 0 {
		r.at = origin{seq: last.Seq, after: true}
		if t := a.records[n-1].ApproximateArrivalTimestamp; t != nil && k.phase == following {
			r.bound = *t
		}
	}
	if a.behind == 0 && k.phase == following {
		r.bound = a.now
	}
	r.q.progress(r, last, time.Duration(a.behind)*time.Millisecond, ended)
	if !r.q.push(r.run, ds) {
		return false, context.Canceled
	}
	return over, nil
}

// check fails if records may have been lost between the last answer and this one, since the service silently goes on with
// the oldest record that it still has.
func (r *reader) check(a *answer) error {
	if len(a.records) > 0 && r.anchor != "" && aws.ToString(a.records[0].SequenceNumber) == r.anchor {
		r.anchor = "" // it is still there, so is all that came after it
		return nil
	}
	if r.plan.phase != following {
		return nil // the plan notices
	}
	if len(a.records) == 0 && a.behind > 0 && r.anchor != "" {
		return nil // not there yet
	}
	keeps := r.q.list.Retention()
	if r.bound.IsZero() || keeps <= 0 || a.now.Sub(r.bound) <= keeps {
		r.armed = r.armed || !r.bound.IsZero() && a.now.Sub(r.bound) < keeps-keeps/100
		if len(a.records) > 0 {
			r.anchor = ""
		}
		return nil
	}
	if !r.armed {
		return nil // a job that has just begun, with the oldest records that there are
	}
	return r.lost(fmt.Sprintf("the stream keeps records for %v, and the last that is known to be consumed arrived at %s", keeps,
		r.bound.UTC().Format(time.RFC3339)))
}

func (r *reader) lost(why string) error {
	return &LostError{Partition: r.part, After: r.plan.upTo, Why: why}
}

// gone reports whether the service has dropped the shard.
func (r *reader) gone() bool {
	_, listed := r.q.list.Of(r.part)
	return !listed
}

// children returns the shards that took this one's place. If the answer does not name them it asks for the list.
func (r *reader) children(ctx context.Context, told []types.ChildShard) (out []record.Partition, err error) {
	for i := range told {
		out = append(out, r.q.svc.Is.Partition(aws.ToString(told[i].ShardId)))
	}
	if len(out) > 0 {
		return out, nil
	}
	err = service.Again(func(error) bool { return true }).Do(ctx, func(ctx context.Context) error {
		shards, err := r.q.svc.List(ctx)
		if err == nil {
			out = r.q.svc.Is.Children(r.part.ID, shards)
		}
		return err
	})
	return out, err
}

// failed handles the error of a request. It repeats for ever what may pass.
func (r *reader) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.iterator = "" // a new one from where we are does no harm
	if service.Expired(err) {
		return nil
	}
	if service.Missing(err) {
		if err := r.q.svc.Still(ctx, r.part); err != nil {
			return err
		}
	}
	n := r.q.failing(r, err)
	if service.Throttled(err) {
		r.pace.Refused()
		return nil // the pace waits
	}
	return service.Backoff(ctx, n, service.MaxPace)
}

var errNoLane = errors.New("kinesis: the lane is not assigned")
