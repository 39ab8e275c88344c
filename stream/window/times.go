package window

import "slices"

// times are the newest times of a key's events, in microseconds, and when it last raised an event.
type times struct {
	sorted   []int64
	raised   bool
	interval int64
	at       int64 // of the event that raised
}

// add puts t in its place and returns whether some window of the given length that holds it has more than n events.
func (s *times) add(t int64, n int, length int64) bool {
	i, _ := slices.BinarySearch(s.sorted, t+1) // behind those of the same time
	s.sorted = slices.Insert(s.sorted, i, t)
	over := false
	for j := max(i, n); j <= i+n && j < len(s.sorted); j++ {
		if s.sorted[j]-s.sorted[j-n] < length {
			over = true
			break
		}
	}
	// A window needs the n events before an event and, for one that comes late, the n behind it.
	if drop := len(s.sorted) - (2*n + 2); drop > 0 {
		s.sorted = s.sorted[drop:] // to move the others down would cost n for each event
	}
	return over
}
