package sink_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
)

// testContext has an environment without real pauses, whose clock goes on by a minute at each look.
func testContext(t *testing.T) context.Context {
	t.Helper()
	e := env.Default()
	e.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	var minutes atomic.Int64
	e.Now = func() time.Time { return noon.Add(time.Duration(minutes.Add(1)) * time.Minute) }
	return env.With(t.Context(), e)
}

func TestCommittedRowsAreVisibleOnceWithAManifest(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a", "b")
	in.write("a", noon, 1, 2)
	in.write("b", noon.Add(time.Hour), 3)
	if got := keys(t, store, "rows/"); len(got) != 0 {
		t.Errorf("before the commit these are visible: %s", got)
	}
	in.commit()
	in.write("a", noon, 4)
	in.commit()

	if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("rows %v, want 1 to 4", got)
	}
	if got := visible(t, store, "rows/day=2025-05-01/hour=13/"); !slices.Equal(got, []int{3}) {
		t.Errorf("rows of 13h: %v, want 3", got)
	}
	got := keys(t, store, "_onceflow/job/e0001/manifests/")
	want := "_onceflow/job/e0001/manifests/s0000/00000000000000000002.json _onceflow/job/e0001/manifests/s0000/00000000000000000003.json"
	if strings.Join(got, " ") != want {
		t.Errorf("manifests %s, want %s", got, want)
	}

	again := open(t, store, nil, nil, rowsFlow("rows"))
	again.acquire("a", "b")
	if a, b := again.at["a"].UpTo.Sub, again.at["b"].UpTo.Sub; a != 3 || b != 1 {
		t.Errorf("a second start finds positions %d and %d, want 3 and 1", a, b)
	}
}
