package buckets

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
)

var space = dedup.Space{Name: "s", Window: time.Hour, Bucket: time.Minute}

func open(t *testing.T, ttl time.Duration) *Buckets {
	t.Helper()
	b, err := Open(space, ttl, math.MinInt64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClaimsMustLiveLongerThanTheWindow(t *testing.T) {
	if _, err := Open(space, time.Hour, 0); !errors.Is(err, dedup.ErrRefused) {
		t.Errorf("a time to live of the window: %v, want a refusal", err)
	}
	if got := open(t, 0).TTL(); got != 2*time.Hour {
		t.Errorf("claims live for %s, want twice the window", got)
	}
}

func TestBucketsAreToldOnceUntilTheyEnd(t *testing.T) {
	b := open(t, 0)
	first, second := time.Unix(59, 0), time.Unix(60, 0)
	b.Tell(space.End(first))
	b.Tell(space.End(second))
	if b.Expire(time.Unix(59, 0)); !b.Told(space.End(first)) {
		t.Error("the bucket ended a second too early")
	}
	if swept := b.Expire(time.Unix(60, 0)); !swept || b.Told(space.End(first)) || !b.Told(space.End(second)) {
		t.Errorf("swept %t, told of the first %t, of the second %t, want the first alone forgotten", swept, b.Told(space.End(first)), b.Told(space.End(second)))
	}
	if b.Expire(time.Unix(60, 0)) || b.Expire(time.Unix(1, 0)) {
		t.Error("swept again though nothing has ended since")
	}
	if b.Doubt(); b.Told(space.End(second)) {
		t.Error("still takes the server for told")
	}
}

func TestOldClaimsStopTheJobBeforeTheServerDropsThem(t *testing.T) {
	b := open(t, 100*time.Hour)
	if err := b.Check(95*time.Hour, "x"); err != nil {
		t.Errorf("95 of 100 hours old: %v", err)
	}
	if err := b.Check(95*time.Hour+1, "the key x"); !errors.Is(err, dedup.ErrForgotten) || !strings.Contains(err.Error(), "delete the key x") {
		t.Errorf("older: %v, want ErrForgotten and what to delete", err)
	}
}
