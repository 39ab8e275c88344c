package stream

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/internal/reasons"
	"github.com/onceflow/onceflow/stream/record"
)

// beginnings remembers when late rows and each kind of dead letter were last committed. So the log warns when they begin,
// and not at every commit. Only the conductor uses it.
type beginnings map[record.Reason]time.Time

// quietFor is how long a kind must be absent before its next record counts as a beginning.
const quietFor = 10 * time.Minute

// begins notes that a kind was committed at now, and reports whether that is a beginning.
func (b *beginnings) begins(k record.Reason, now time.Time) bool {
	if *b == nil {
		*b = beginnings{}
	}
	last, known := (*b)[k]
	if !known && len(*b) >= reasons.Most {
		k.Why = reasons.Other
		last, known = (*b)[k]
	}
	(*b)[k] = now
	return !known || now.Sub(last) > quietFor
}

// tellBeginnings warns of late rows and dead letters that begin with a commit, with the first example.
func (b *statusBoard) tellBeginnings(log *slog.Logger, now time.Time, lanes []core.Cut) {
	told := map[record.Reason]bool{} // of several lanes one speaks for all
	for i := range lanes {
		for _, x := range lanes[i].Examples {
			if told[x.Reason] {
				continue
			}
			told[x.Reason] = true
			if b.begun.begins(x.Reason, now) {
				warn(log, x)
			}
		}
	}
}

func warn(log *slog.Logger, x *reasons.Example) {
	line := []any{"partition", x.Partition.String(), "position", x.Position}
	if !x.Time.IsZero() {
		line = append(line, "event_time", x.Time)
	}
	if x.Reason.Fate == record.Late {
		log.Warn("late rows begin", append(line, "behind", x.Behind)...)
		return
	}
	log.Warn("dead letters begin", append(line, "why", x.Reason.Why, "error", shortened(x.Err))...)
}

// shortened is the text of an error that may quote its whole input.
func shortened(err error) string {
	const most = 300
	text := fmt.Sprint(err)
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}

// reasonsText is for a log line: the most frequent reasons first.
func reasonsText(m map[record.Reason]int64) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b record.Reason) int {
		if m[a] != m[b] {
			return int(m[b] - m[a])
		}
		return strings.Compare(a.Fate.String()+a.Why, b.Fate.String()+b.Why)
	})
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%s %q %d", k.Fate, k.Why, m[k])
	}
	return strings.Join(parts, ", ")
}
