package kafka_test

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/calendar"
	"github.com/onceflow/onceflow/scaler/dynamic"
	"github.com/onceflow/onceflow/scaler/kafka"
)

// keepFresh keeps a consumer group at the size that it needs, whose rush is known and whose surprises are not: the calendar
// is the floor, the measurements correct it.
func keepFresh(ctx context.Context, target scaler.Target) error {
	plan, err := calendar.New(calendar.Plan{Zone: "Europe/Warsaw", Lead: 10 * time.Minute, Rules: []calendar.Rule{
		{Name: "rush", From: calendar.At(18, 0), To: calendar.At(2, 0), Size: scaler.Size{Copies: 12}},
		{Name: "rest", From: calendar.At(2, 0), To: calendar.At(18, 0), Size: scaler.Size{Copies: 4}},
	}})
	if err != nil {
		return err
	}
	need, err := dynamic.New(&dynamic.Options{Goal: 10 * time.Minute})
	if err != nil {
		return err
	}
	group, err := kafka.Open(kafka.Config{Brokers: []string{"kafka:9092"}, Group: "etl", Topics: []string{"hits"}}, nil)
	if err != nil {
		return err
	}
	defer group.Close()
	s, err := scaler.New(target, scaler.NewCombined(plan, need), &scaler.Options{
		Signals: []scaler.Signal{group}, Min: 2, Max: 24, DryRun: true,
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// The function above compiles with the package; running it needs brokers.
func Example() {
	_ = keepFresh
}
