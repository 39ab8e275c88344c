package keda_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/calendar"
	"github.com/onceflow/onceflow/scaler/keda"
	"github.com/onceflow/onceflow/scaler/keda/externalscaler"
)

// KEDA asks the server how many copies there should be, and sets them itself. A program registers the server with
// externalscaler.RegisterExternalScalerServer; here its method is called as KEDA would.
func ExampleServer() {
	ctx := context.Background()
	server := keda.New(func(context.Context) (scaler.Size, error) { return scaler.Size{Copies: 4}, nil })
	plan, err := calendar.New(calendar.Plan{Zone: "UTC", Rules: []calendar.Rule{
		{Name: "rush", From: calendar.At(18, 0), To: calendar.At(2, 0), Size: scaler.Size{Copies: 12}},
		{Name: "rest", From: calendar.At(2, 0), To: calendar.At(18, 0), Size: scaler.Size{Copies: 4}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := scaler.New(server, plan, &scaler.Options{
		Now: func() time.Time { return time.Date(2026, 3, 10, 18, 30, 0, 0, time.UTC) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	decision, err := s.Once(ctx)
	fmt.Println(decision, err)

	spec, err := server.GetMetricSpec(ctx, &externalscaler.ScaledObjectRef{Name: "etl"})
	if err != nil {
		fmt.Println(err)
		return
	}
	metric := spec.MetricSpecs[0]
	metrics, err := server.GetMetrics(ctx, &externalscaler.GetMetricsRequest{MetricName: metric.MetricName})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("KEDA is told:", metrics.MetricValues[0].MetricValueFloat/metric.TargetSizeFloat)
	// Output:
	// changed 4 copies -> 12 copies: rule rush 18:00-02:00 UTC <nil>
	// KEDA is told: 12
}
