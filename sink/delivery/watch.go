package delivery

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/internal/terminal"
	"github.com/onceflow/onceflow/sink"
)

// lookEvery is how many seconds pass between two looks for the end of the ledger, which cost two requests or three.
const lookEvery = 10

// watch tells the status every second, and looks how far the job is.
func (d *Delivery) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n%lookEvery == 0 && !d.opts.Hourly {
			t, err := sink.FindTail(ctx, d.source.store, d.source.job, d.board.tail(), d.opts.read(-1, nil))
			if err == nil {
				d.board.ends(t.Entry)
			}
		}
		d.board.tick()
		d.tell(false)
	}
}

// tell gives a Status to Options.Observe and to the terminal. Only one goroutine calls it at a time.
func (d *Delivery) tell(last bool) {
	s := d.Status()
	if d.opts.Observe != nil {
		d.opts.Observe(s)
	}
	if !terminal.Is(d.opts.Progress) {
		return
	}
	const width = 110 // of what the line before may have left
	line := progressLine(s)
	fmt.Fprintf(d.opts.Progress, "\r%s%s", line, strings.Repeat(" ", max(0, width-utf8.RuneCountInString(line))))
	if last {
		fmt.Fprintln(d.opts.Progress)
	}
}

func progressLine(s Status) string {
	parts := []string{s.Delivery, fmt.Sprintf("%d rows", s.Rows), fmt.Sprintf("%.0f/s", s.Rate)}
	switch {
	case !s.Cursor.Hour.IsZero():
		parts = append(parts, "hour "+s.Cursor.Hour.UTC().Format("01-02 15:04"))
	case !s.Cursor.IsZero():
		parts = append(parts, fmt.Sprintf("entry %d", s.Cursor.Entry))
	}
	if s.Lag.Entries > 0 {
		parts = append(parts, fmt.Sprintf("%d behind", s.Lag.Entries))
	}
	if lag := s.Lag.Time.Round(time.Second); lag > 0 {
		parts = append(parts, "lag "+lag.String())
	}
	if s.Rejected > 0 {
		parts = append(parts, fmt.Sprintf("%d rejected", s.Rejected))
	}
	if n := len(s.Parked); n > 0 {
		parts = append(parts, fmt.Sprintf("%d PARKED", n))
	}
	if s.Condition != Works {
		parts = append(parts, strings.ToUpper(string(s.Condition)))
	}
	return strings.Join(parts, " · ")
}

// fails notes that something fails, and writes a line if that is news.
func (d *Delivery) fails(what string, err error) {
	c, changed := d.board.fails(what, err)
	if !changed {
		return
	}
	switch c {
	case Blocked:
		d.log.Error("the target refuses a unit, and order matters: the delivery waits until somebody mends that", "error", err)
	case Refused:
		d.log.Error("access is refused: trying on until somebody mends that", "error", err)
	case Fails, Works:
		d.log.Warn("the delivery fails; trying on", "error", err)
	}
}

func (d *Delivery) works(what string) {
	if c, changed, since := d.board.works(what); changed && c == Works {
		d.log.Info("the delivery works again", "after", time.Since(since).Round(time.Second))
	}
}
