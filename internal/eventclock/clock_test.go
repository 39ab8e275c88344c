package eventclock

import (
	"math/rand/v2"
	"testing"
	"time"
)

var (
	t0   = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	late = t0.Add(100 * 24 * time.Hour) // the store's clock
)

func at(m int) time.Time { return t0.Add(time.Duration(m) * time.Minute) }

func (c *Clock) read(minutes ...int) {
	for _, m := range minutes {
		c.Read(&Default, at(m), at(m), late)
	}
}

// One record 59 minutes ahead made 354 of 416 others late.
func TestATimeFarAheadMovesNoClockAlone(t *testing.T) {
	c := Clock{MaxEventTime: at(0)}
	c.read(1, 60, 2, 7, 6, 8, 3000, 8, 8)
	if !c.MaxEventTime.Equal(at(8)) || c.Jump != (Jump{}) {
		t.Errorf("the clock is at %v, and %v waits; want %v and none", c.MaxEventTime, c.Jump, at(8))
	}
	c.read(14)
	if want := (Jump{at(14), at(14), 1}); !c.MaxEventTime.Equal(at(8)) || c.Jump != want {
		t.Errorf("six minutes ahead: the clock is at %v, and %v waits; want %v and %v", c.MaxEventTime, c.Jump, at(8), want)
	}
	c.read(13)
	if !c.MaxEventTime.Equal(at(13)) || c.Jump != (Jump{}) {
		t.Errorf("five minutes ahead: the clock is at %v, and %v waits; want %v and none", c.MaxEventTime, c.Jump, at(13))
	}
}

func TestFurtherRecordsConfirmAJump(t *testing.T) {
	for _, begun := range []bool{true, false} { // the first times of a partition are a jump from nothing
		var c Clock
		if begun {
			c.MaxEventTime = at(0)
		}
		c.read(3000)
		for i := 1; i < Default.Records-1; i++ {
			c.read(60 + i)
		}
		if want := (Jump{at(61), at(3000), Default.Records - 1}); c.Jump != want || begun != c.MaxEventTime.Equal(at(0)) {
			t.Fatalf("before the last: the clock is at %v, and %v waits; want %v", c.MaxEventTime, c.Jump, want)
		}
		c.read(99)
		if !c.MaxEventTime.Equal(at(61)) || c.Jump != (Jump{}) {
			t.Errorf("the clock is at %v, and %v waits; want the smallest of all, %v, and none", c.MaxEventTime, c.Jump, at(61))
		}
	}
}

// Event time may go on while some records of a partition still come from before, up to a third of them here.
func TestEveryGapIsConfirmedWhateverStragglersCome(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := Clock{MaxEventTime: at(0)}
		share, n := r.Float64()/3, 0
		for ; c.MaxEventTime.Before(at(60)); n++ {
			if n > 2000 {
				t.Fatalf("seed %d: after %d records of which %.2f are from before, the clock is at %v, and %v waits", seed, n, share, c.MaxEventTime, c.Jump)
			}
			if r.Float64() < share {
				c.read(-r.IntN(30))
			} else {
				c.read(60 + r.IntN(3))
			}
		}
	}
}

// As many as one in eight of all records have odd times, among others in order.
func TestAMinorityOfOddTimesMovesNoClock(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var c Clock
	for i := range 200_000 {
		m := i / 100
		if r.IntN(8) == 0 {
			c.read(m + 6 + r.IntN(50_000))
			continue
		}
		c.read(m - r.IntN(3))
		if c.MaxEventTime.After(at(m)) {
			t.Fatalf("record %d: the clock is at %v, ahead of %v", i, c.MaxEventTime, at(m))
		}
	}
	if c.MaxEventTime.Before(at(1998)) {
		t.Errorf("the clock is at %v, want about %v", c.MaxEventTime, at(1999))
	}
}

// The clocks of those who write may all be ahead of the store's.
func TestNoRecordMovesAClockBeyondTheStores(t *testing.T) {
	c := Clock{MaxEventTime: at(0)}
	now := at(2)
	c.Read(&Default, at(4), at(4), now)
	if !c.MaxEventTime.Equal(now) {
		t.Errorf("the clock is at %v, want the store's, %v", c.MaxEventTime, now)
	}
	for range 2 * Default.Records {
		c.Read(&Default, at(30), at(30), now)
	}
	if c.Confirm(now); !c.MaxEventTime.Equal(now) {
		t.Errorf("after many that are ahead the clock is at %v, want %v", c.MaxEventTime, now)
	}
	c.Read(&Default, at(4), at(4), at(1)) // the store's clock went back
	if !c.MaxEventTime.Equal(now) {
		t.Errorf("the clock goes back to %v", c.MaxEventTime)
	}
}

func TestARecordThatCameBeforeConfirmsNothing(t *testing.T) {
	c := Clock{MaxEventTime: at(0), Jump: Jump{at(60), at(61), 15}}
	c.Again(&Default, at(60), at(60), late)
	c.Again(&Default, at(-1), at(-1), late)
	if want := (Jump{at(60), at(61), 15}); !c.MaxEventTime.Equal(at(0)) || c.Jump != want {
		t.Errorf("the clock is at %v, and %v waits; want %v and %v", c.MaxEventTime, c.Jump, at(0), want)
	}
	if c.Again(&Default, at(4), at(4), late); !c.MaxEventTime.Equal(at(4)) {
		t.Errorf("the clock is at %v, want %v: a time that waited in front of Decode", c.MaxEventTime, at(4))
	}
}

func TestARecordOfManyEventsCountsOnce(t *testing.T) {
	c := Clock{MaxEventTime: at(0)}
	c.Read(&Default, at(60), at(70), late)
	if want := (Jump{at(60), at(70), 1}); c.Jump != want {
		t.Errorf("%v waits, want %v", c.Jump, want)
	}
	c.Read(&Default, at(1), at(70), late) // its oldest event says where time is
	if !c.MaxEventTime.Equal(at(1)) || c.Jump != (Jump{}) {
		t.Errorf("the clock is at %v, and %v waits; want %v and none", c.MaxEventTime, c.Jump, at(1))
	}
	c.Read(&Default, at(2), at(5), late)
	if !c.MaxEventTime.Equal(at(5)) {
		t.Errorf("the clock is at %v, want %v", c.MaxEventTime, at(5))
	}
}

func TestTheEndMakesAnEndOfAJump(t *testing.T) {
	c := Clock{MaxEventTime: at(0), Jump: Jump{at(60), at(61), 3}}
	if d := c; !d.Prove(at(90)) || d != (Clock{MaxEventTime: at(90)}) {
		t.Errorf("after a proof: %v", d)
	}
	if d := c; !d.Confirm(late) || d != (Clock{MaxEventTime: at(61)}) {
		t.Errorf("after the end of the partition: %v", d)
	}
	if d := (Clock{MaxEventTime: at(0)}); d.Confirm(late) || d.Prove(at(0)) || d != (Clock{MaxEventTime: at(0)}) {
		t.Errorf("nothing waited: %v", d)
	}
}
