package several

import (
	"github.com/onceflow/onceflow/internal/sourcename"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// names translate between a member and the job. The goroutine of Poll uses the pointers; the rest is for all.
type names struct {
	name string // "" translates nothing

	// pointers are the partitions as the job knows them, by the lane of the member that has brought them.
	pointers map[string]map[record.Partition]*record.Partition
}

func (n *names) lane(lane string) string { return sourcename.Join(n.name, lane) }

func (n *names) out(p record.Partition) record.Partition {
	p.Source = sourcename.Join(n.name, p.Source)
	return p
}

// in returns a partition as the member knows it; ok is false if it is another member's.
func (n *names) in(p record.Partition) (inner record.Partition, ok bool) {
	var name string
	name, p.Source = sourcename.Split(p.Source)
	return p, name == n.name
}

// each translates a list.
func each[T any](list []T, f func(T) T) []T {
	if len(list) == 0 {
		return nil
	}
	out := make([]T, len(list))
	for i, x := range list {
		out[i] = f(x)
	}
	return out
}

// progressIn is a member's view of progress.
func (n *names) progressIn(at driver.Progress) driver.Progress {
	at.Children = each(at.Children, func(p record.Partition) record.Partition {
		p, _ = n.in(p)
		return p
	})
	return at
}

// standingIn is a member's view of what is committed.
func (n *names) standingIn(s driver.Standing) driver.Standing {
	if n.name != "" {
		_, s.Lane = sourcename.Split(s.Lane)
	}
	return s
}

// mine picks what is the member's, and translates it with f.
func mine[V any](n *names, all map[record.Partition]V, f func(V) V) map[record.Partition]V {
	some := map[record.Partition]V{}
	for p, v := range all {
		if p, ok := n.in(p); ok {
			some[p] = f(v)
		}
	}
	return some
}

// ours translates what a member says of its partitions.
func ours[V any](n *names, all map[record.Partition]V, into map[record.Partition]V) {
	for p, v := range all {
		into[n.out(p)] = v
	}
}

func same[V any](v V) V { return v }

// batch translates what the member has delivered. Source and engine share its slices, which are the engine's now.
func (n *names) batch(b *driver.Batch) {
	if n.name == "" {
		return
	}
	b.Assigned = each(b.Assigned, func(a driver.Assignment) driver.Assignment {
		a.Lane, a.Partitions, a.Elders = n.lane(a.Lane), each(a.Partitions, n.out), each(a.Elders, n.out)
		return a
	})
	for _, lane := range b.Revoked {
		delete(n.pointers, lane)
	}
	b.Revoked = each(b.Revoked, n.lane)
	if b.Lane == "" {
		return
	}
	lane := b.Lane
	b.Lane = n.lane(lane)
	var last, now *record.Partition
	pointer := func(p *record.Partition) *record.Partition {
		if p != last {
			last, now = p, n.pointer(lane, p)
		}
		return now
	}
	for i := range b.Records {
		b.Records[i].Partition = pointer(b.Records[i].Partition)
	}
	for i := range b.Unreadable {
		b.Unreadable[i].Record.Partition = pointer(b.Unreadable[i].Record.Partition)
	}
	for i := range b.Passed {
		b.Passed[i].Partition = n.out(b.Passed[i].Partition)
	}
	for i := range b.Arrivals {
		b.Arrivals[i].Partition = n.out(b.Arrivals[i].Partition)
	}
	for i := range b.Marks {
		b.Marks[i].Partition = n.out(b.Marks[i].Partition)
	}
	b.Ended = each(b.Ended, func(e driver.Ended) driver.Ended {
		return driver.Ended{Partition: n.out(e.Partition), Children: each(e.Children, n.out)}
	})
}

// pointer returns the partition that all records of p share as the job knows it.
func (n *names) pointer(lane string, p *record.Partition) *record.Partition {
	of := n.pointers[lane]
	if of == nil {
		of = map[record.Partition]*record.Partition{}
		n.pointers[lane] = of
	}
	q := of[*p]
	if q == nil {
		named := n.out(*p)
		q = &named
		of[*p] = q
	}
	return q
}
