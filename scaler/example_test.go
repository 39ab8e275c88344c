package scaler_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/calendar"
)

// A service with a known rush from 18:00 to 02:00 in Warsaw. Ten minutes before it the new copies are ordered, so that
// they are warm. Anything that can be resized by a function is a target.
func Example() {
	plan, err := calendar.New(calendar.Plan{Zone: "Europe/Warsaw", Lead: 10 * time.Minute, Rules: []calendar.Rule{
		{Name: "rush", From: calendar.At(18, 0), To: calendar.At(2, 0), Size: scaler.Size{Copies: 12}},
		{Name: "rest", From: calendar.At(2, 0), To: calendar.At(18, 0), Size: scaler.Size{Copies: 4}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	now, copies := time.Date(2026, 3, 10, 16, 30, 0, 0, time.UTC), 4 // 17:30 in Warsaw
	target := scaler.TargetFunc(
		func(context.Context) (scaler.Size, error) { return scaler.Size{Copies: copies}, nil },
		func(_ context.Context, c scaler.Change) error { copies = c.To.Copies; return nil },
	)
	s, err := scaler.New(target, plan, &scaler.Options{
		Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		d, _ := s.Once(context.Background())
		fmt.Println(d)
		now = now.Add(20 * time.Minute)
	}
	// Output:
	// kept 4 copies: rule rest 02:00-18:00 Europe/Warsaw
	// changed 4 copies -> 12 copies: rule rush 18:00-02:00 Europe/Warsaw, which begins in 10m0s
	// kept 12 copies: rule rush 18:00-02:00 Europe/Warsaw
}

// The newest decisions are kept in memory, for a status page of the service.
func ExampleScaler_Decisions() {
	plan, err := calendar.New(calendar.Plan{Zone: "UTC", Otherwise: scaler.Size{Copies: 4}})
	if err != nil {
		fmt.Println(err)
		return
	}
	target := scaler.TargetFunc(
		func(context.Context) (scaler.Size, error) { return scaler.Size{Copies: 3}, nil },
		func(context.Context, scaler.Change) error { return errors.New("quota exceeded") },
	)
	s, err := scaler.New(target, plan, &scaler.Options{Retries: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, d := range s.Decisions() { // or all of it as JSON
			fmt.Fprintln(w, d)
		}
	}))
	defer page.Close()

	_, _ = s.Once(context.Background())
	resp, err := http.Get(page.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(os.Stdout, resp.Body)
	// Output:
	// refused 3 copies -> 4 copies: no rule applies (scaler: resize from 3 copies to 4 copies: quota exceeded)
}
