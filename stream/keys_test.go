package stream_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// keyed is a source in which a key's partition follows from how many there are.
type keyed struct {
	*streamtest.Source
	mu    sync.Mutex
	parts []record.Partition
}

func (k *keyed) Info() driver.SourceInfo {
	i := k.Source.Info()
	i.Keys = driver.KeysByCount
	return i
}

func (k *keyed) Partitions(context.Context) ([]record.Partition, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.parts, nil
}

// add makes partitions known and assigns their lane.
func (k *keyed) add(lane string, parts ...record.Partition) {
	k.mu.Lock()
	k.parts = append(k.parts, parts...)
	k.mu.Unlock()
	k.Assign(lane)
}

// local is a stage that sees one lane at a time.
type local struct{}

func (local) Traits() stage.Traits { return stage.Traits{LaneLocal: true} }

func (local) Open(*stage.Lane) (stage.Processor[text, text], error) {
	return passing, nil
}

// runKeyed runs a job over two of three partitions of a topic, then adds the third, and a topic that is new.
func runKeyed(t *testing.T, opts stream.Options, stages ...stage.Stage[text, text]) (ledger *streamtest.Ledger[text], log string, err error) {
	t.Helper()
	topic := streamtest.NewLog(1, 1, 1)
	ledger = newLedger(t)
	src := &keyed{Source: topic.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0", "lane-1"}})}
	src.parts = []record.Partition{topic.Partition(0, 0), topic.Partition(1, 0)}
	topic.Append(0, 0, t0, "06:00 a")
	topic.Append(1, 0, t0, "06:00 b")
	topic.Append(2, 0, t0, "06:00 c")
	p := texts(src)
	for _, s := range stages {
		p = stream.Via(p, s)
	}
	var said strings.Builder
	opts.Logger = slog.New(slog.NewTextHandler(&said, nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(ctx, p, ledger.Output(), &opts) }()
	elapse(3 * every)
	wantWords(t, ledger, "a", "b")
	src.add("lane-2", topic.Partition(2, 0))
	elapse(3 * every)
	cancel()
	err = <-ended
	return ledger, said.String(), err
}

// Partitions that were added to a topic once were read by a join as if keys had stayed where they were.
func TestPartitionsAddedWhileTheJobRunsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, _, err := runKeyed(t, often, local{})
		var added *driver.AddedPartitionsError
		if !errors.As(err, &added) || added.Was != 2 || added.Log.Source != "log" || added.Stage != "stream_test.local" {
			t.Errorf("got %v, want an AddedPartitionsError of a log that had 2 partitions", err)
		}
		wantWords(t, ledger, "a", "b")
	})
}

func TestPartitionsAddedAreReadIfNobodyMinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, _, err := runKeyed(t, often)
		if err != nil {
			t.Errorf("a job without such a stage: %v", err)
		}
		wantWords(t, ledger, "a", "b", "c")
		accept := often
		accept.KeysInLanes = true
		ledger, log, err := runKeyed(t, accept, local{})
		if err != nil || !strings.Contains(log, "partitions were added") {
			t.Errorf("a job that accepts it: %v, and the log says\n%s", err, log)
		}
		wantWords(t, ledger, "a", "b", "c")
	})
}

// Records without a key are spread over the partitions by their producers, so a join finds few of the pairs.
func TestRecordsWithoutAKeyAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stages := range [][]stage.Stage[text, text]{{local{}}, nil} {
			opts := often
			opts.KeysInLanes = true
			_, log, err := runKeyed(t, opts, stages...)
			if n := strings.Count(log, "records have no key"); err != nil || n != len(stages) {
				t.Errorf("%d stages that see one lane: told %d times, %v", len(stages), n, err)
			}
		}
	})
}
