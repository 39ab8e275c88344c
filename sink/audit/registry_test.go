package audit_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// An event of the year 292,000,000, or of long ago, has a time that no registration can have. It once made a batch that was
// registered and never listed. What is not refused is registered.
func TestEventsOfAnyTimeAreRefusedOrRegistered(t *testing.T) {
	for _, at := range []time.Time{time.UnixMilli(1 << 62), time.UnixMilli(math.MaxInt64), time.Unix(-1<<40, 0), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), noon} {
		f := folder(t, sinktest.NewMemory())
		g := audit.NewObjects(f)
		b, err := audit.OpenBatcher(t.Context(), f, g, audit.SenderFunc(func(context.Context, []audit.Line) error { return nil }), &audit.BatcherOptions{Lines: 1})
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Add(t.Context(), []audit.Event{{Value: []byte("x"), Time: at}})
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("an event of %s: %v", at, err)
			}
			continue
		}
		n := 0
		for got, err := range g.List(t.Context(), r.ID.Time(), r.ID.Time().Add(time.Second)) {
			if n++; err != nil || got.ID != r.ID {
				t.Errorf("listed %v, %v", got, err)
			}
		}
		if n != 1 {
			t.Errorf("an event of %s: its batch is listed %d times", at, n)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
