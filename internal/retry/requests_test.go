package retry

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A blip of two seconds once ended an upload, and with it all that a transaction of a minute had read.
func TestRequestsOfUploadsOutliveABlip(t *testing.T) {
	for range 50 { // pauses are random
		synctest.Test(t, func(t *testing.T) {
			r := Requests{Attempts: 5, Timeout: time.Second, Passing: func(error) bool { return true }}
			back := time.Now().Add(7 * time.Second)
			away := func(context.Context) error {
				if time.Now().Before(back) {
					return errPassing
				}
				return nil
			}
			if err := r.ForUploads().Do(t.Context(), 0, away); err != nil {
				t.Errorf("after %v: %v", time.Since(back), err)
			}
			if r.Attempts != 5 {
				t.Errorf("other requests have %d attempts, want 5", r.Attempts)
			}
		})
	}
}
