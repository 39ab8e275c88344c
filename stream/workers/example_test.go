package workers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/workers"
	"github.com/onceflow/onceflow/stream/workers/workerstest"
)

// A function that asks another system, for 64 users of each lane at once. Visits of one user keep their order.
func Example() {
	log := streamtest.NewLog(1)
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	log.Append(0, 0, at, "anna home", "bert home", "anna cart", "? home")
	log.EndAll()

	lookUp := func(_ context.Context, visit *string) (string, error) {
		user, page, _ := strings.Cut(*visit, " ")
		if user == "?" {
			return "", errors.New("no such user")
		}
		return strings.ToUpper(user) + " " + page, nil
	}
	user := func(visit *string) string { return (*visit)[:strings.IndexByte(*visit, ' ')] }
	profiles := workers.New(workers.Func(lookUp), workers.ByKey(64, user), &workers.Options{
		Parallel: 32, InOrder: true, Timeout: time.Second, Failed: workers.Retries(0, workers.DeadLetter),
	})

	ledger := streamtest.NewLedger[string](&testing.T{})
	visits := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
	if err := stream.Run(context.Background(), stream.Via(visits, profiles), ledger.Output(), nil); err != nil {
		fmt.Println(err)
	}
	for _, v := range ledger.Values() {
		fmt.Println(v)
	}
	fmt.Println("dead:", ledger.Dead()[0].Err)
	// Output:
	// ANNA home
	// BERT home
	// ANNA cart
	// dead: no such user
}

// batcher collects orders and confirms them together.
type batcher struct {
	orders  []string
	replies []workers.Reply[string]
}

func (b *batcher) Process(_ context.Context, e record.Event[string], r workers.Reply[string]) {
	b.orders, b.replies = append(b.orders, e.Value), append(b.replies, r)
}

// Punctuate writes what has come, here to nowhere.
func (b *batcher) Punctuate(context.Context, time.Time) {
	for i, r := range b.replies {
		r.Done(fmt.Sprintf("%s with %d others", b.orders[i], len(b.orders)-1))
	}
	b.orders, b.replies = nil, nil
}

// A task that answers later, tested without waiting and without goroutines.
func ExamplePunctuator() {
	s := workerstest.NewScheduler(1)
	open := func(workers.Subpartition) (workers.Task[string, string], error) { return &batcher{}, nil }
	confirm := workers.New(open, workers.RoundRobin[string](1), &workers.Options{InFlight: 100, Scheduler: s})

	l := streamtest.Open(&testing.T{}, confirm)
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	l.Feed(at, "a book")
	l.Feed(at, "a pen")
	s.Run()
	fmt.Println("at once:", l.Pull(), "pending:", l.Pending())
	s.Advance(time.Second)
	fmt.Println("a second later:", l.Pull(), "pending:", l.Pending())
	// Output:
	// at once: [] pending: 2
	// a second later: [a book with 1 others a pen with 1 others] pending: 0
}
