package limits

import (
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

// options are those of a source.
type options struct {
	buffer                                int64
	skew, refresh, timeout, stall, giveUp time.Duration
	logger                                *slog.Logger
}

func (o *options) set() *Set {
	return &Set{&o.buffer, &o.skew, &o.refresh, &o.timeout, &o.stall, &o.giveUp, &o.logger}
}

func TestZeroIsTheDefaultAndMinusOneIsNever(t *testing.T) {
	o := options{skew: time.Minute, giveUp: -1}
	if err := o.set().Fill(time.Second); err != nil {
		t.Fatal(err)
	}
	if o.buffer != 64<<20 || o.skew != time.Minute || o.timeout != time.Second || o.stall != time.Minute || o.giveUp != math.MaxInt64 || o.logger == nil {
		t.Errorf("got %+v", o)
	}
}

func TestAllThatIsNegativeIsNamed(t *testing.T) {
	o := options{buffer: -1, skew: -1, refresh: -1, timeout: -1, stall: -1, giveUp: -2}
	err := o.set().Fill(time.Second)
	for _, name := range []string{"Buffer", "Skew", "Refresh", "Timeout", "Stall", "GiveUp"} {
		if err == nil || !strings.Contains(err.Error(), name+" is negative") {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}

func TestAStallTellsWhatSinceWhenAndWhy(t *testing.T) {
	why := errors.New("no broker")
	e := &Stall{Source: "kafka", What: "group g", Since: time.Unix(0, 0), Err: why}
	if got, want := e.Error(), "kafka: group g makes no progress since 1970-01-01T00:00:00Z: no broker"; got != want || !errors.Is(e, why) {
		t.Errorf("got %q, want %q", got, want)
	}
	if e.Err = nil; strings.HasSuffix(e.Error(), ":") || !strings.HasSuffix(e.Error(), "Z") {
		t.Errorf("without a reason: %q", e.Error())
	}
}
