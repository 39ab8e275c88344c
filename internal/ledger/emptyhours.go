package ledger

import (
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// Gap is a run of hours without on-time files that is too long for a Close. One odd record of long ago among the first of a
// job makes a Gap of decades. Nobody wants a seal for each of its hours, and no later hour is sealed before them.
type Gap struct {
	From, Through time.Time // of the empty hours
	Hours         int64
	Allowed       int64 // as many a Close may include in a row at that time

	// Entry is the first entry with files of the hour before the gap. If that hour is closed, which AtClose says, it is the
	// Close. It is 0 if the gap begins with Genesis.Start.
	Entry   uint64
	AtClose bool
}

func (g *Gap) String() string {
	s := fmt.Sprintf("the %d hours from %s to %s have no files, and a Close may include %d such hours in a row: they begin with ",
		g.Hours, g.From.Format(time.RFC3339), g.Through.Format(time.RFC3339), g.Allowed)
	switch {
	case g.Entry == 0:
		return s + "the start hour of the job"
	case g.AtClose:
		return s + fmt.Sprintf("the hour that entry %d closed last", g.Entry)
	}
	return s + fmt.Sprintf("entry %d, which wrote to the hour before", g.Entry)
}

// EmptyHours is how many hours without on-time files a Close at the time at may include in a row: as many as have passed
// since the job began, or since its start hour if that is earlier, and extra ones. So a job that was stopped for a year
// goes on by itself. Counting from the last Close would not do, since that job first closes an hour from before its stop.
// -1 is no limit.
func (g *Genesis) EmptyHours(at time.Time, extra int64) int64 {
	if extra < 0 {
		return -1
	}
	since := g.Created
	if start := g.Start; !start.IsZero() {
		since = when.Earlier(since, start)
	}
	return extra + max(0, g.Hours(since, at))
}
