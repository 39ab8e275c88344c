package dedup

import (
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// ask makes the claims of in, and returns how many of them are forced. Events of one record are adjacent, since no stage
// before this one holds.
func (p *processor[T]) ask(in []record.Event[T], out *stage.Emitter[T]) (forced int64) {
	p.claims, p.place = p.claims[:0], p.place[:0]
	for from := 0; from < len(in); {
		to := from + 1
		for to < len(in) && in[to].Origin == in[from].Origin {
			to++
		}
		ref := out.Lookup(in[from].Origin)
		by := Holder{ref.Partition, ref.Position}
		// A record that is read again has won its ID. If it has several events, at least one of them won, but not always
		// each. A shared table knows the holder of each, so these claims are not forced there.
		force := ref.Replayed && (to-from == 1 || p.local != nil)
		first := len(p.claims)
		clear(p.seen)
		for i := from; i < to; i++ {
			s, err := p.id(&in[i].Value)
			if err != nil { // it claims nothing, and what is emitted of it is taken back
				out.Reject(in[i].Origin, err)
			}
			if s == "" {
				p.place = append(p.place, noID)
				continue
			}
			id := Hash(s)
			if to-from > 1 && p.repeated(first, id) {
				p.place = append(p.place, twice)
				continue
			}
			p.place = append(p.place, int32(len(p.claims)))
			p.claims = append(p.claims, Claim{ID: id, Time: in[i].Time, By: by, Force: force})
		}
		if force {
			forced += int64(len(p.claims) - first)
		}
		from = to
	}
	if n := len(p.claims); cap(p.won) < n {
		p.won = make([]bool, n)
	}
	p.won = p.won[:len(p.claims)]
	return forced
}

// repeated reports whether an earlier claim of this record, from first on, has the ID. The store would take it for the
// record's own.
func (p *processor[T]) repeated(first int, id ID) bool {
	const few = 16
	own := p.claims[first:]
	if len(own) < few {
		for i := range own {
			if own[i].ID == id {
				return true
			}
		}
		return false
	}
	if p.seen == nil {
		p.seen = map[ID]struct{}{}
	}
	if len(p.seen) == 0 {
		for i := range own {
			p.seen[own[i].ID] = struct{}{}
		}
	}
	if _, ok := p.seen[id]; ok {
		return true
	}
	p.seen[id] = struct{}{}
	return false
}
