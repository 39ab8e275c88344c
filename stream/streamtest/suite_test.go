package streamtest_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func conformanceLog() *streamtest.Log {
	log := streamtest.NewLog(1, 3)
	for i := range 25 {
		for _, p := range [][2]int{{0, 0}, {1, 0}, {1, 1}, {1, 2}} {
			log.Append(p[0], p[1], t0.Add(time.Duration(i)*time.Second), fmt.Sprintf("%d/%d", p, i))
		}
	}
	return log
}

func TestSourceConforms(t *testing.T) {
	t.Run("endless", func(t *testing.T) {
		streamtest.RunSource(t, func(*testing.T) driver.Source { return conformanceLog().Source(nil) })
	})
	t.Run("ended", func(t *testing.T) {
		streamtest.RunSource(t, func(*testing.T) driver.Source {
			log := conformanceLog()
			log.EndAll()
			return log.Source(nil)
		})
	})
}

// broken is a source that breaks the contract in one way.
type broken struct {
	*streamtest.Source
	how  string
	last *driver.Batch
	n    int
}

func (b *broken) Poll(ctx context.Context) (*driver.Batch, error) {
	if b.how == "forgets an interrupted batch" && ctx.Err() != nil {
		b.Source.Poll(context.WithoutCancel(ctx))
		return nil, ctx.Err()
	}
	if b.how == "spoils bytes" && b.last != nil {
		b.last.Release()
	}
	got, err := b.Source.Poll(ctx)
	if err != nil || len(got.Records) == 0 {
		return got, err
	}
	b.last = got
	b.n++
	switch b.how {
	case "leaves records out":
		if b.n == 12 {
			got.Records = got.Records[1:]
		}
	case "doubles records":
		if b.n == 2 {
			got.Records = append(got.Records, got.Records[0])
		}
	case "names another lane":
		got.Lane = "lane-9"
	case "says warm-up is done twice":
		got.WarmDone = got.WarmDone || got.Warm
	}
	return got, err
}

func (b *broken) Start(ctx context.Context, s driver.Start) error {
	for p, g := range s.From {
		switch b.how {
		case "starts one too late":
			if g.UpTo.Sub > 0 {
				g.UpTo.Sub++
			}
		case "forgets pending records":
			g.Pending = driver.PendingSet{}
		}
		s.From[p] = g
	}
	return b.Source.Start(ctx, s)
}

func (b *broken) Pause(lane string, on bool) {
	if b.how != "does not pause" {
		b.Source.Pause(lane, on)
	}
}

func (b *broken) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	if b.how == "proves too much" {
		return slices.Collect(maps.Keys(at)), nil
	}
	return b.Source.AtEnd(ctx, at)
}

func (b *broken) Partitions(ctx context.Context) ([]record.Partition, error) {
	all, err := b.Source.Partitions(ctx)
	if b.how == "hides a partition" {
		all = all[1:]
	}
	return all, err
}

// brokenWays names the case that must notice.
var brokenWays = map[string]string{
	"leaves records out":           "StartsAfterUpTo",
	"doubles records":              "DeliversEachRecordOnceAndInOrder",
	"names another lane":           "DeliversEachRecordOnceAndInOrder",
	"says warm-up is done twice":   "DeliversWarmUpBeforeEverything",
	"starts one too late":          "StartsAfterUpTo",
	"forgets pending records":      "DeliversPendingRecordsFirst",
	"does not pause":               "PausedLanesDeliverOneMoreBatch",
	"proves too much":              "ProvesTheEndOnlyAtTheEnd",
	"hides a partition":            "ListsItsPartitions",
	"spoils bytes":                 "KeepsBytesUntilRelease",
	"forgets an interrupted batch": "InterruptedPollLosesNothing",
}

// The suite runs in a child process over a source that breaks one rule, and must fail there.
func TestBrokenSourcesAreCaught(t *testing.T) {
	const env = "STREAMTEST_BROKEN_SOURCE"
	if how := os.Getenv(env); how != "" {
		streamtest.RunSource(t, func(*testing.T) driver.Source {
			return &broken{Source: conformanceLog().Source(nil), how: how}
		})
		return
	}
	for how, want := range brokenWays {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenSourcesAreCaught$/^"+want+"$", "-test.timeout=20s")
			child.Env = append(os.Environ(), env+"="+how)
			out, err := child.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "FAIL: TestBrokenSourcesAreCaught/"+want) {
				t.Errorf("a source that %s passes %s:\n%s", how, want, out)
			}
		})
	}
}
