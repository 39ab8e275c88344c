package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/internal/buckets"
)

const minBound = -1 << 52 // exact in a Lua number

// table is one lane's handle on a table.
type table struct {
	*Store
	space   dedup.Space
	buckets *buckets.Buckets
	slots   []slot

	digits [20]byte
}

// spaces make numbers equally long; Lua reads over them.
const spaces = "                    "

// slot gathers the claims of one hash slot for a call of the script.
type slot struct {
	prefix  string
	mark    string // as the handle found it: see Store.mark
	keys    []string
	names   []byte // the keys of all claims in a row, for one allocation
	values  []byte // of all claims, each width long
	width   int
	forced  []byte
	claims  []int // their places in the caller's slice
	buckets []any
}

// Claim makes the claims batch by batch, slot by slot.
func (t *table) Claim(ctx context.Context, claims []dedup.Claim, won []bool) error {
	for from := 0; from < len(claims); from += t.opts.Batch {
		to := min(from+t.opts.Batch, len(claims))
		if err := t.batch(ctx, claims[from:to], won[from:to]); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) batch(ctx context.Context, claims []dedup.Claim, won []bool) error {
	var by dedup.ID
	width := 0
	for i := range claims {
		width = max(width, len(strconv.AppendInt(t.digits[:0], t.space.End(claims[i].Time), 10)))
	}
	for i := range t.slots {
		t.slots[i].reset(len(by) + width)
	}
	for i := range claims {
		c := &claims[i]
		s := &t.slots[int(c.ID[0])%len(t.slots)]
		bucket := t.space.End(c.Time)
		if !t.buckets.Told(bucket) { // every slot counts every bucket: they are few
			t.buckets.Tell(bucket)
			for j := range t.slots {
				t.slots[j].buckets = append(t.slots[j].buckets, bucket)
			}
		}
		by = c.By.Hash()
		s.names = append(append(s.names, s.prefix...), c.ID[:]...)
		digits := strconv.AppendInt(t.digits[:0], bucket, 10)
		s.values = append(append(s.values, by[:]...), spaces[:width-len(digits)]...)
		s.values = append(s.values, digits...)
		s.claims = append(s.claims, i)
		digit := byte('0')
		if c.Force {
			digit = '1'
		}
		s.forced = append(s.forced, digit)
	}
	for i := range t.slots {
		if err := t.run(ctx, &t.slots[i], won); err != nil {
			t.buckets.Doubt()
			return err
		}
	}
	return nil
}

func (s *slot) reset(width int) {
	s.width = width
	s.keys = append(s.keys[:0], s.prefix+"buckets", s.prefix+"mark")
	s.names, s.values, s.forced, s.claims, s.buckets = s.names[:0], s.values[:0], s.forced[:0], s.claims[:0], s.buckets[:0]
}

func (t *table) run(ctx context.Context, s *slot, won []bool) error {
	if len(s.claims) == 0 && len(s.buckets) == 0 {
		return nil
	}
	names, each := string(s.names), len(s.prefix)+len(dedup.ID{})
	for i := range s.claims {
		s.keys = append(s.keys, names[i*each:(i+1)*each])
	}
	args := append([]any{t.buckets.TTL().Milliseconds(), t.buckets.Bound(), s.forced, s.values, s.width, s.mark}, s.buckets...)
	answer, err := claim.Run(ctx, t.client, s.keys, args...).Text()
	if err != nil {
		return fmt.Errorf("redis: claim: %w", classify(err))
	}
	if answer == "lost" {
		return fmt.Errorf("redis: %w: the server has lost the claims of this table that it had, since the key %s is gone or was made anew. It may "+
			"have started again without its append-only file, or somebody may have emptied it. A new start goes on, and lets copies pass of "+
			"what was lost", dedup.ErrForgotten, s.prefix+"mark")
	}
	if len(answer) != len(s.claims) {
		return fmt.Errorf("redis: %d answers to %d claims (%w)", len(answer), len(s.claims), dedup.ErrRefused)
	}
	for i, at := range s.claims {
		won[at] = answer[i] == '1'
	}
	return nil
}

// Expire lets others take claims below the bucket of at, and checks that the server still has all other claims.
func (t *table) Expire(ctx context.Context, at time.Time) error {
	if !t.buckets.Expire(at) {
		return nil
	}
	return t.sweep(ctx)
}

// sweep lets the server forget the begin of buckets that have ended.
func (t *table) sweep(ctx context.Context) error {
	for _, s := range t.slots {
		key := s.prefix + "buckets"
		secs, err := sweep.Run(ctx, t.client, []string{key}, t.buckets.Bound()).Int64()
		if err != nil {
			return fmt.Errorf("redis: sweep: %w", classify(err))
		}
		if err := t.buckets.Check(time.Duration(secs)*time.Second, "the key "+key); err != nil {
			return fmt.Errorf("redis: by the server's clock, which may have been set forward: %w", err)
		}
	}
	return nil
}

// Close does nothing: claims outlive the handle.
func (t *table) Close() error { return nil }
