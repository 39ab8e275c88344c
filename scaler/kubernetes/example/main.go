// Command example is a whole scaler that follows a calendar. The README of package scaler shows it.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/calendar"
	"github.com/onceflow/onceflow/scaler/kubernetes"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	plan, err := calendar.New(calendar.Plan{Zone: "Europe/Warsaw", Lead: 10 * time.Minute, Rules: []calendar.Rule{
		{Name: "rush", From: calendar.At(18, 0), To: calendar.At(2, 0), Size: scaler.Size{Copies: 12}},
		{Name: "rest", From: calendar.At(2, 0), To: calendar.At(18, 0), Size: scaler.Size{Copies: 4}},
	}})
	must(err)
	target, err := kubernetes.Open(ctx, kubernetes.Deployment("default", "etl"), nil)
	must(err)
	s, err := scaler.New(target, plan, &scaler.Options{DryRun: true}) // until its decisions please you
	must(err)
	must(s.Run(ctx))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
