package kafka

import (
	"context"
	"fmt"
)

// Two copies of a consumer group read a topic of two partitions. A cluster of the tests plays the brokers' part; a program gets
// its signal from Open. Between the two looks ten seconds pass.
func ExampleSignal() {
	cluster := &fakeAdmin{begin: []int64{0, 0}, end: []int64{5000, 7000}, committed: []int64{4000, 6500}, state: "Stable", members: 2}
	group := watch(cluster)
	ctx := context.Background()
	if _, err := group.Read(ctx); err != nil {
		fmt.Println(err)
		return
	}
	cluster.end, cluster.committed = []int64{5500, 7500}, []int64{4800, 7200}
	sample, err := group.Read(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("lag %g, %g a second arrive, %g a second are done by %g copies\n",
		sample.Lag.Number, sample.Arrival.Number, sample.Done.Number, sample.Ready.Number)
	// Output:
	// lag 1000, 100 a second arrive, 150 a second are done by 2 copies
}
