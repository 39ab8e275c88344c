package calendar_test

import (
	"fmt"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/calendar"
)

// All faults of a plan come at once, so that one look is enough to repair it.
func ExamplePlan_Check() {
	plan := calendar.Plan{Zone: "UTC", Rules: []calendar.Rule{
		{Name: "rush", From: calendar.At(18, 0), To: calendar.At(2, 0), Size: scaler.Size{Copies: 12}},
		{Name: "day", From: calendar.At(6, 0), To: calendar.At(19, 0), Size: scaler.Size{Copies: 5}},
	}}
	fmt.Println(plan.Check())
	// Output:
	// scaler: calendar: no rule covers every day 02:00-06:00
	// scaler: calendar: rule "rush" and rule "day" overlap on every day 18:00-19:00
}
