package stream

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// beginnings remembers when late rows and each kind of dead letter were last committed, so that a warning comes when they
// begin and not with every commit. Only the conductor uses it.
type beginnings map[record.Reason]time.Time

// quietFor is how long a kind must not have come for its next record to be a beginning.
const quietFor = 10 * time.Minute

// begins notes that a kind was committed at now, and reports whether that is a beginning.
func (b *beginnings) begins(k record.Reason, now time.Time) bool {
	if *b == nil {
		*b = beginnings{}
	}
	last, known := (*b)[k]
	if !known && len(*b) >= moreReasons {
		k.Why = otherWhy
		last, known = (*b)[k]
	}
	(*b)[k] = now
	return !known || now.Sub(last) > quietFor
}

// tellBeginnings warns of late rows and dead letters that begin with a commit, with the first example.
func (b *statusBoard) tellBeginnings(log *slog.Logger, now time.Time, lanes []laneCut) {
	told := map[record.Reason]bool{} // of several lanes one speaks for all
	for i := range lanes {
		for _, x := range lanes[i].examples {
			if told[x.reason] {
				continue
			}
			told[x.reason] = true
			if b.begun.begins(x.reason, now) {
				x.warn(log)
			}
		}
	}
}

func (x *example) warn(log *slog.Logger) {
	line := []any{"partition", x.partition.String(), "position", x.position.String()}
	if !x.time.IsZero() {
		line = append(line, "event_time", x.time)
	}
	if x.reason.Fate == record.Late {
		log.Warn("late rows begin", append(line, "behind", x.behind)...)
		return
	}
	log.Warn("dead letters begin", append(line, "why", x.reason.Why, "error", shortened(x.err))...)
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
