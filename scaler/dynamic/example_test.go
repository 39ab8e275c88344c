package dynamic_test

import (
	"fmt"
	"time"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/dynamic"
)

// A job of four copies, each of which does 1,000 records a second, gets 6,000: the lag grows, and two thirds more copies are
// needed before the goal of five minutes is passed.
func ExampleNew() {
	policy, err := dynamic.New(&dynamic.Options{Utilization: 0.8, Rate: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	now, lag := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), 0.0
	var want scaler.Want
	for range 12 { // a reading every half minute
		now, lag = now.Add(30*time.Second), lag+2000*30
		want = policy.Want(scaler.Input{Now: now, Current: scaler.Size{Copies: 4}, Sample: scaler.Sample{
			Arrival: scaler.Known(6000, now), Done: scaler.Known(4000, now), Lag: scaler.Known(lag, now), Ready: scaler.Known(4, now),
		}})
		if want.Size.Copies > 4 {
			break
		}
	}
	fmt.Println(want.Size)
	// Output:
	// 8 copies
}
