package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// position is the place of a record: a number, or a Kinesis sequence number and one. The zero position is before all.
type position struct {
	seq string
	n   int64
}

func parsePosition(s string) (p position, err error) {
	if s == "" {
		return p, nil
	}
	seq, n, kinesis := strings.Cut(s, "/")
	if !kinesis {
		seq, n = "", s
	}
	p.seq = seq
	p.n, err = strconv.ParseInt(n, 10, 64)
	if kinesis && (seq == "" || strings.Trim(seq, "0123456789") != "") || err == nil && (p.n < 1 || strconv.FormatInt(p.n, 10) != n) {
		err = errors.New("malformed")
	}
	if err != nil {
		return position{}, fmt.Errorf("position %q: %w", s, err)
	}
	return p, nil
}

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(len(p.seq), len(q.seq)), cmp.Compare(p.seq, q.seq), cmp.Compare(p.n, q.n))
}

// number tells whether p is a plain number, or before all.
func (p position) number() bool { return p.seq == "" }

// pending is a set of pending positions as objects have it.
type pending struct {
	First   string `json:"first"`
	Through uint64 `json:"through"`
	Count   int64  `json:"count"`
	Runs    []byte `json:"runs,omitempty"`

	set []uint64 // of a step
}

const maxPending = 1 << 24

// ordinals returns the set, ascending.
func (h *pending) ordinals() ([]uint64, error) {
	if h.Count < 1 || h.Count > maxPending {
		return nil, fmt.Errorf("%d pending", h.Count)
	}
	set := h.set
	if set == nil {
		rest, err := numbers(h.Runs, h.Count-1)
		if err != nil {
			return nil, err
		}
		set = []uint64{0}
		for _, n := range rest {
			set = append(set, n+1)
		}
	}
	if int64(len(set)) != h.Count {
		return nil, fmt.Errorf("pending set has %d ordinals, its count says %d", len(set), h.Count)
	}
	if last := set[len(set)-1]; last >= h.Through {
		return nil, fmt.Errorf("ordinal %d is pending, %d is behind the last record", last, h.Through)
	}
	return set, nil
}
