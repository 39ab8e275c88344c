package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// orders is a stage that does what its events say: words like "3:hold" about the event with that number.
type orders struct{}

func (orders) Open(*stage.Lane) (stage.Processor[text, text], error) {
	return ordered{}, nil
}

type ordered map[string]record.Event[text]

func (p ordered) Process(_ context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	for _, e := range in {
		words := strings.Split(e.Value.word, ",")
		p[words[0]] = e
		for _, order := range words[1:] {
			who, what, _ := strings.Cut(order, ":")
			what, arg, _ := strings.Cut(what, "=")
			target := p[who]
			switch what {
			case "hold":
				out.Hold(target.Origin)
			case "release":
				out.Release(target.Origin)
			case "emit":
				out.Emit(record.Derive(&target, text{target.Value.at, arg}))
			case "merge":
				out.Merge(p[arg].Origin, target.Origin)
			case "drop":
				out.Drop(target.Origin, record.Duplicate, "twin")
			case "reject":
				out.Reject(target.Origin, errors.New(arg))
			}
		}
	}
	return nil
}

// program draws orders about events that are alive, and releases everything in the end.
func program(rng *rand.Rand, n int) (events []string) {
	holds := map[int]int{}
	group := map[int]int{} // by union of merges: which events are alive
	find := func(i int) int {
		for group[i] != i {
			i = group[i]
		}
		return i
	}
	alive := func(now int) (ids []int) {
		pending := map[int]bool{}
		for i, h := range holds {
			if h > 0 {
				pending[find(i)] = true
			}
		}
		for i := range group {
			if i == now || pending[find(i)] {
				ids = append(ids, i)
			}
		}
		slices.Sort(ids)
		return ids
	}
	for i := range n {
		words := []string{fmt.Sprint(i)}
		group[i] = i
		for range rng.IntN(5) {
			ids := alive(i)
			who := ids[rng.IntN(len(ids))]
			switch rng.IntN(9) {
			case 0, 1:
				words = append(words, fmt.Sprintf("%d:hold", who))
				holds[who]++
			case 2, 3:
				if holds[who] > 0 {
					words = append(words, fmt.Sprintf("%d:release", who))
					holds[who]--
				}
			case 4, 5:
				words = append(words, fmt.Sprintf("%d:emit=row%d-%d", who, i, len(words)))
			case 6:
				into := ids[rng.IntN(len(ids))]
				words = append(words, fmt.Sprintf("%d:merge=%d", who, into))
				group[find(who)] = find(into)
			case 7:
				words = append(words, fmt.Sprintf("%d:drop", who))
			case 8:
				if rng.IntN(4) == 0 {
					words = append(words, fmt.Sprintf("%d:reject=no", who))
				}
			}
		}
		if i == n-1 {
			for who, h := range holds {
				for range h {
					words = append(words, fmt.Sprintf("%d:release", who))
				}
			}
		}
		events = append(events, strings.Join(words, ","))
	}
	return events
}

// The engine keeps origins in slots that it uses again, and groups in trees. The driver of package streamtest uses maps.
// They agree on what becomes of every record.
func TestTheEngineAgreesWithTheDriver(t *testing.T) {
	for seed := range uint64(300) {
		events := program(rand.New(rand.NewPCG(seed, 3)), 40)
		driver := streamtest.Open(t, stage.Stage[text, text](orders{}))
		for _, e := range events {
			driver.Feed(t0, text{t0, e})
		}
		want := make([]string, 0, len(driver.Out))
		for _, e := range driver.Out {
			want = append(want, e.word)
		}
		slices.Sort(want)
		synctest.Test(t, func(t *testing.T) {
			log, ledger := streamtest.NewLog(1), newLedger(t)
			src := log.Source(&streamtest.SourceOptions{Batch: 1}) // as the driver was fed
			for _, e := range events {
				log.Append(0, 0, t0, "06:00 "+e)
			}
			log.EndAll()
			opts := stream.Options{CommitEvery: time.Minute, CommitBytes: int64(seed%5) * 100}
			runToEnd(t, stream.Via(texts(src), stage.Stage[text, text](orders{})), ledger.Output(), &opts)
			if got := ledger.Counts(); got != driver.Fates() {
				t.Errorf("seed %d: got fates %v, want %v of\n%s", seed, got, driver.Fates(), strings.Join(events, "\n"))
			}
			if got := words(ledger.Rows()); !slices.Equal(got, want) {
				t.Errorf("seed %d: got rows %v, want %v", seed, got, want)
			}
			if got := ledger.Reasons()["twin"]; got != int64(driver.Reasons()["twin"]) || len(ledger.Dead()) != len(driver.Rejected()) {
				t.Errorf("seed %d: %d twins and %d dead letters, want %d and %d", seed, got, len(ledger.Dead()), driver.Reasons()["twin"], len(driver.Rejected()))
			}
		})
		if t.Failed() {
			return
		}
	}
}
