// Package limits has what the options of sources that read from services have in common: their defaults, what is wrong with
// them, and what is told when something makes no progress within them.
package limits

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Set points to the options of a source.
type Set struct {
	Buffer                                *int64
	Skew, Refresh, Timeout, Stall, GiveUp *time.Duration
	Logger                                **slog.Logger
}

// Fill sets what is zero to its default, and returns all that is wrong.
func (s *Set) Fill(timeout time.Duration) error {
	*s.Buffer = cmp.Or(*s.Buffer, 64<<20)
	*s.Skew = cmp.Or(*s.Skew, time.Hour)
	*s.Refresh = cmp.Or(*s.Refresh, 10*time.Second)
	*s.Timeout = cmp.Or(*s.Timeout, timeout)
	*s.Stall = cmp.Or(*s.Stall, time.Minute)
	*s.GiveUp = cmp.Or(*s.GiveUp, 10*time.Minute)
	*s.Logger = cmp.Or(*s.Logger, slog.New(slog.DiscardHandler))
	if *s.GiveUp == -1 {
		*s.GiveUp = math.MaxInt64
	}
	return errors.Join(
		NotNegative("Buffer", *s.Buffer), NotNegative("Skew", *s.Skew), NotNegative("Refresh", *s.Refresh),
		NotNegative("Timeout", *s.Timeout), NotNegative("Stall", *s.Stall), NotNegative("GiveUp", *s.GiveUp),
	)
}

// NotNegative says so if an option is negative.
func NotNegative[T ~int | ~int32 | ~int64](name string, v T) error {
	if v < 0 {
		return fmt.Errorf("%s is negative", name)
	}
	return nil
}

// Stall says that something made no progress though it should.
type Stall struct {
	Source string // "kafka"
	What   string // a partition, a shard, the group
	Since  time.Time
	Err    error // the last error seen there; nil if there was none
}

// Error tells what hangs, since when and why.
func (e *Stall) Error() string {
	s := fmt.Sprintf("%s: %s makes no progress since %s", e.Source, e.What, e.Since.UTC().Format(time.RFC3339))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the last error.
func (e *Stall) Unwrap() error { return e.Err }
