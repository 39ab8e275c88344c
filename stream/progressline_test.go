package stream

import (
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/driver"
)

func TestTheProgressLineSaysWhatHasNoRowAndFits(t *testing.T) {
	hour := time.Date(2026, 11, 30, 15, 0, 0, 0, time.UTC)
	for want, s := range map[string]Status{
		"0 read · 0/s · 0 commits": {Delay: -1},
		"1,234 read · 17/s · 5 pending · 2 late · 3 duplicates · 7 dead · 4 commits": {
			Read: 1234, Rate: 17, Pending: 5, Commits: 4, Delay: -1, Counts: Counts{Late: 2, Duplicate: 3, Dead: 7},
		},
		"1,234 read · 17/s · 10 behind · 2 commits · open from 11-30 15:00 · delay 5s": {
			Read: 1234, Rate: 17, Lag: driver.Lag{Records: 10}, Commits: 2, EarliestHour: hour, Delay: 5 * time.Second,
		},
		"123,456,789 read · 1,234,567/s · 4,000,000 behind · 5,555 duplicates · STALLED": {
			Read: 123456789, Rate: 1234567, Lag: driver.Lag{Records: 4e6}, Commits: 12345, EarliestHour: hour, Delay: 90 * time.Minute,
			Counts: Counts{Duplicate: 5555}, Stalled: errors.New("x"),
		},
		"9 read · 1/s · 9 dead · 3 commits · delay 5s · NO ROWS": {
			Read: 9, Rate: 1, Counts: Counts{Dead: 9}, Commits: 3, Delay: 5 * time.Second, Fruitless: errors.New("x"),
		},
	} {
		if got := progressLine(s); got != want || utf8.RuneCountInString(got) > 80 {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
