package ledger

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// advanceAny commits a partition with whatever times the bytes say, entry after entry, as engines might that check none.
func advanceAny(t *testing.T, hour, lateness time.Duration, b []byte) {
	t.Helper()
	g := testGenesis()
	g.Hour = hour
	body, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := NewState(g, HashOf(body))
	number := func() (n int64) {
		n = int64(binary.BigEndian.Uint64(b))
		b = b[8:]
		return n
	}
	for n := int64(1); len(b) >= 33; n++ {
		unit := b[0]
		b = b[1:]
		var at [4]time.Time
		for i := range at {
			switch n := number(); unit >> (2 * i) & 3 {
			case 0:
				at[i] = time.Unix(n, 0)
			case 1:
				at[i] = time.UnixMilli(n)
			case 2:
				at[i] = time.UnixMicro(n)
			case 3:
				at[i] = time.Unix(0, n).UTC()
			}
		}
		var prev driver.Progress
		pending := 0
		if old := s.Lanes.Partitions[part("p")]; old != nil {
			prev, pending = old.Progress, old.PendingLen
		}
		l := lane(s, "p", n, time.Time{}, time.Time{}).pending(at[1], n)
		p := &l.Partitions[0]
		p.Progress.MaxEventTime, p.Progress.Arrived = at[0], at[2]
		p.Progress = Advance(prev, p.Progress, lateness, unit == 7)
		p.Counts[record.Written] = int64(pending) + p.Read - 1
		if err := try(s, commit(l)); err != nil {
			t.Fatalf("hours of %s, lateness %s, max event time %d, pending %d, arrived %d: %v", hour, lateness, at[0].Unix(), at[1].Unix(), at[2].Unix(), err)
		}
		if from, through, ok := s.CloseDue(at[3], lateness, s.Unpublished); ok && (from.IsZero() || !from.Before(through)) {
			t.Fatalf("hours from %s to %s are due", from, through)
		}
		if _, err := s.Encode(); err != nil {
			t.Fatal(err)
		}
	}
}

// MaxEventTime in the year 57301 (milliseconds that were microseconds), or negative, once made an entry that nobody could write.
func TestAdvanceMakesEntriesOfWhateverTimes(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b []byte
		for range 1 + r.IntN(10) {
			b = append(b, byte(r.Uint32()))
			for range 4 {
				n := r.Uint64() >> r.IntN(64)
				if r.IntN(3) == 0 {
					n = uint64(-62135596800 + r.Int64N(200000) - 50000)
				}
				b = binary.BigEndian.AppendUint64(b, n)
			}
		}
		advanceAny(t, []time.Duration{time.Minute, time.Hour, 24 * time.Hour}[r.IntN(3)], []time.Duration{-1, 0, time.Hour, math.MaxInt64}[r.IntN(4)], b)
	}
}

func FuzzAdvance(f *testing.F) {
	f.Add(uint16(60), int64(time.Hour), make([]byte, 99))
	f.Fuzz(func(t *testing.T, minutes uint16, lateness int64, b []byte) {
		if m := int(minutes); m == 0 || 24*60%m != 0 {
			return
		}
		advanceAny(t, time.Duration(minutes)*time.Minute, time.Duration(lateness), b)
	})
}
