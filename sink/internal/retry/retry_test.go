package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

func TestOnlyWhatMayPassIsTriedAgain(t *testing.T) {
	for err, want := range map[error]int{
		errors.New("connection reset"):                        7,
		retry.Stop(errors.New("another's object")):            1,
		fmt.Errorf("no such bucket: %w", driver.ErrPermanent): 1,
		driver.ErrStagingLost:                                 1,
		fs.ErrNotExist:                                        1,
	} {
		e := env.Default()
		e.Sleep = func(context.Context, time.Duration) error { return nil }
		calls := 0
		got := retry.Do(t.Context(), e, func(context.Context) error {
			calls++
			return err
		})
		if calls != want || !errors.Is(got, err) {
			t.Errorf("%v: tried %d times, want %d; got %v", err, calls, want, got)
		}
	}
}
