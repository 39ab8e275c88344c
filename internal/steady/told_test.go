package steady

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatAServerToldGoesOnByMonotonicTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Told
		if now := c.Now(); !now.IsZero() {
			t.Errorf("before an answer it is %s", now)
		}
		at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.FixedZone("", 7200))
		c.Hear(at)
		c.Hear(time.Time{})
		time.Sleep(59 * time.Second) //nolint:forbidigo // the clock of the bubble
		if now, fresh := c.Fresh(); now != at.Add(59*time.Second).UTC() || !fresh {
			t.Errorf("after 59s it is %s, fresh %v", now, fresh)
		}
		time.Sleep(time.Second) //nolint:forbidigo // the clock of the bubble
		if now, fresh := c.Fresh(); now != at.Add(time.Minute).UTC() || fresh {
			t.Errorf("after a minute it is %s, fresh %v", now, fresh)
		}
	})
}
