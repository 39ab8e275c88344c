package scaler

import (
	"fmt"
	"log/slog"
	"time"
)

// Action says what a step did.
type Action string

// What a step can do.
const (
	Kept    Action = "kept"    // the size is as it should be, or the policy holds
	Changed Action = "changed" // the target took the new size
	DryRun  Action = "dry-run" // the size would have been changed
	Standby Action = "standby" // another scaler leads; this one only watches
	Refused Action = "refused" // the target did not take the new size; it has the old one still, as far as is known
	Failed  Action = "failed"  // the present size could not be read, so nothing was decided
)

// Decision is the record of one step.
type Decision struct {
	At      time.Time `json:"at"`
	Action  Action    `json:"action"`
	From    Size      `json:"from"`
	To      Size      `json:"to"` // what was wanted; it was reached only if Action is Changed
	Why     string    `json:"why"`
	Want    Want      `json:"want"`              // what the policy wanted, before bounds
	Sample  Sample    `json:"sample"`            // the inputs, without those that were ignored
	Ignored []string  `json:"ignored,omitempty"` // inputs that could not be used, and why
	Outside *Change   `json:"outside,omitempty"` // a change by somebody else that was noticed in this step
	Err     error     `json:"-"`
	Error   string    `json:"error,omitempty"` // the text of Err
}

// String gives one line: "changed 4 -> 8 copies: ...".
func (d Decision) String() string {
	move := d.From.String()
	if d.To != d.From {
		move = fmt.Sprintf("%s -> %s", d.From, d.To)
	}
	line := fmt.Sprintf("%s %s: %s", d.Action, move, d.Why)
	if d.Error != "" {
		line += " (" + d.Error + ")"
	}
	return line
}

// LogValue gives the fields for a log line.
func (d Decision) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("action", string(d.Action)),
		slog.Int("from", d.From.Copies), slog.Int("to", d.To.Copies), slog.String("why", d.Why),
	}
	if d.From.Cores != d.To.Cores {
		attrs = append(attrs, slog.Float64("from_cores", d.From.Cores), slog.Float64("to_cores", d.To.Cores))
	}
	for _, f := range d.Sample.fields() {
		if f.value.Known() {
			attrs = append(attrs, slog.Float64(f.name, f.value.Number))
		}
	}
	for _, p := range d.Want.Parts {
		attrs = append(attrs, slog.Group(p.Policy, slog.Int("copies", p.Size.Copies), slog.String("why", p.Why)))
	}
	if len(d.Ignored) > 0 {
		attrs = append(attrs, slog.Any("ignored", d.Ignored))
	}
	if d.Outside != nil {
		attrs = append(attrs, slog.String("outside", fmt.Sprintf("%s -> %s", d.Outside.From, d.Outside.To)))
	}
	if d.Error != "" {
		attrs = append(attrs, slog.String("error", d.Error))
	}
	return slog.GroupValue(attrs...)
}

// level is Warn for what somebody should look at, Debug for steps in which nothing happened.
func (d Decision) level() slog.Level {
	switch {
	case d.Err != nil:
		return slog.LevelWarn
	case d.Action == Kept || d.Action == Standby:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
