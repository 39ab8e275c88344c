package kinesis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// follower decides which lanes this process has. The ledger and the service's shards say which lanes there are; the
// assigner says which of them are ours. It is safe for concurrent use. While its lock is held that of reading may be taken,
// or the listing's.
type follower struct {
	svc      *service.Stream
	list     *service.Listing
	reading  *reading
	opts     *Options
	assigner assigner
	tell     func(context.Context) (map[record.Partition]driver.Standing, error)
	news     chan struct{} // wakes follow

	described time.Time // when to describe the stream next; for follow alone

	mu       sync.Mutex
	want     []lineage.Lane  // all lanes there are
	leases   []string        // that the assigner says are ours
	owed     map[string]bool // former leases that the assigner must still hear Release of
	until    time.Time       // deadline to give up lanes that are no longer ours
	stale    bool            // want or leases have changed since the last rebalance
	told     bool            // the engine has not yet carried out what rebalance returned
	watching bool            // a commit may change one of our lanes: see watchful
	listErr  error           // why the list of shards or the ledger cannot be read
	listFrom time.Time
}

// follow updates the list of lanes from the ledger and the service's shards.
func (f *follower) follow(ctx context.Context) {
	var leases []string
	for n := 0; ctx.Err() == nil; {
		known, lanes, err := f.look(ctx)
		f.looked(err)
		if err != nil {
			n++
			_ = service.Backoff(ctx, n, f.opts.Refresh)
			continue
		}
		n = 0
		next := leasesOf(lanes)
		var kept []string
		if !slices.Equal(next, leases) || leases == nil {
			kept = f.kept(lanes)
			leases = next
			f.assigner.SetLanes(leases, kept)
		}
		f.mu.Lock()
		f.want = lanes
		f.leases = union(f.leases, kept) // as the assigner will say
		f.stale = true
		f.watching = f.watchful(known)
		f.release()
		f.reading.wakePoll()
		f.mu.Unlock()
		_ = retry.Sleep(ctx, retry.Around(f.opts.Refresh), f.news)
	}
}

// kept returns the new leases of lanes that we already read, under the lease of the lane which they were in until now.
func (f *follower) kept(lanes []lineage.Lane) (kept []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have := f.reading.have()
	for _, w := range lanes {
		l, ok := have[w.Lane]
		if !ok || l.lease == w.Lease {
			continue
		}
		_, had := slices.BinarySearch(f.leases, l.lease)
		if _, has := slices.BinarySearch(f.leases, w.Lease); had && !has {
			kept = append(kept, w.Lease)
		}
	}
	return kept
}

// union is sorted, and so is a.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// release tells the assigner to release the leases it took back, once we have no lane of them any more. The caller holds
// f.mu.
func (f *follower) release() {
	if f.told {
		return // lanes that were revoked may still commit
	}
	have := map[string]bool{}
	for _, l := range f.reading.have() {
		have[l.lease] = true
	}
	for lease := range f.owed {
		if !have[lease] {
			delete(f.owed, lease)
			f.assigner.Release(lease)
		}
	}
}

// look reads the ledger, then lists the shards. In that order the list has the children of all shards that have ended.
func (f *follower) look(ctx context.Context) (known map[record.Partition]driver.Standing, lanes []lineage.Lane, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	if f.tell != nil {
		if known, err = f.tell(ctx); err != nil {
			return nil, nil, fmt.Errorf("read the ledger: %w", err)
		}
	}
	maps.DeleteFunc(known, func(p record.Partition, _ driver.Standing) bool { return p.Source != f.svc.Is.ARN })
	for p, k := range known {
		switch {
		case p.Epoch == f.svc.Is.Epoch():
		case !k.Retired && (!k.Ended || k.Holds):
			return nil, nil, &LostError{Partition: p, After: k.UpTo, Why: "the stream was deleted and made again at " + f.svc.Is.Epoch()}
		default:
			delete(known, p)
		}
	}
	if err := f.lookAgain(ctx); err != nil {
		return nil, nil, err
	}
	shards, err := f.svc.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	f.list.Set(shards)
	return known, lineage.Lanes(f.svc.Is.Lineage(shards), known), nil
}

// describeEvery spares the service, which answers 20 descriptions a second for a whole account.
const describeEvery = time.Minute

// lookAgain checks now and then whether the stream is still the same, and for how long it keeps records.
func (f *follower) lookAgain(ctx context.Context) error {
	if now := time.Now(); now.After(f.described) {
		f.described = now.Add(retry.Around(describeEvery))
	} else {
		return nil
	}
	d, err := f.svc.Describe(ctx)
	switch {
	case service.Missing(err):
		return &LostError{Partition: f.svc.Is.Partition("*"), Why: "the stream was deleted"}
	case err != nil:
		return nil //nolint:nilerr // it is asked again, and the list of shards tells what lasts
	case d.Epoch() != f.svc.Is.Epoch():
		return &LostError{Partition: f.svc.Is.Partition("*"), Why: "the stream was deleted and made again at " + d.Epoch()}
	}
	f.list.Retain(d.Retention)
	return nil
}

// looked notes whether the list is up to date.
func (f *follower) looked(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.listErr, f.listFrom = nil, time.Time{}
		return
	}
	if f.listErr == nil {
		f.listFrom = time.Now()
	}
	f.listErr = err
	if lost := (*LostError)(nil); errors.As(err, &lost) {
		f.reading.fail(err)
	}
	if time.Since(f.listFrom) > f.opts.GiveUp {
		f.reading.fail(&StallError{Source: "kinesis", What: "the list of shards", Since: f.listFrom, Err: f.svc.Advise("list of shards", err)})
	}
}

// watchful reports whether a commit can change one of our lanes: the end of a shard, the last record that an ended shard
// holds, or a move. The caller holds f.mu.
func (f *follower) watchful(known map[record.Partition]driver.Standing) bool {
	for name, l := range f.reading.have() {
		if l.lease != name {
			return true
		}
		for _, p := range l.partitions {
			sh, _ := f.list.Of(p)
			if k := known[p]; k.Ended || sh.Closed || k.Lane != name && k.Lane != "" {
				return true
			}
		}
	}
	return false
}

func leasesOf(lanes []lineage.Lane) []string {
	names := make([]string, 0, len(lanes))
	for _, l := range lanes {
		names = append(names, l.Lease)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// takeLeases follows what the assigner says.
func (f *follower) takeLeases(ctx context.Context) {
	for {
		leases, until, err := f.assigner.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.reading.fail(fmt.Errorf("kinesis: assignment of shards: %w", err))
			return
		}
		f.mu.Lock()
		for _, l := range f.leases {
			f.owed[l] = true // however short we had it, and whether there was a lane or not
		}
		for _, l := range leases {
			delete(f.owed, l)
		}
		f.leases, f.until, f.stale = slices.Clone(leases), until, true
		f.reading.wakePoll()
		f.mu.Unlock()
		f.poke()
	}
}

// rebalance changes the lanes that we have to those that we should have. It returns what to tell the engine; nil is
// nothing.
func (f *follower) rebalance() *driver.Batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want == nil || !f.stale {
		return nil
	}
	f.stale = false
	var mine []lineage.Lane
	for _, w := range f.want {
		if _, ours := slices.BinarySearch(f.leases, w.Lease); ours {
			mine = append(mine, w)
		}
	}
	b, moved := f.reading.change(mine)
	if moved {
		f.poke() // the old lease is to be released
	}
	if b == nil {
		return nil
	}
	if len(b.Revoked) > 0 {
		b.Deadline = f.until
	}
	f.told = true
	return b
}

// heard says that the engine has carried out what rebalance returned last.
func (f *follower) heard() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.told {
		f.told = false
		f.poke()
	}
}

// watch makes follow look after each commit, since shards may end with one.
func (f *follower) watch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watching = true
}

// committed takes a commit as news.
func (f *follower) committed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watching {
		f.poke()
	}
}

// poke makes follow look at once.
func (f *follower) poke() { retry.Wake(f.news) }

// stalled returns an error if the list of shards cannot be read for long.
func (f *follower) stalled() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listErr == nil || time.Since(f.listFrom) <= f.opts.Stall {
		return nil
	}
	return &StallError{Source: "kinesis", What: "the list of shards", Since: f.listFrom, Err: f.listErr}
}
