// Package tail finds the end of a sequence of objects that are numbered from 1 without a gap and never deleted.
package tail

// Find returns the last number for which there is true, 0 if there is none. It begins at near, and asks about twice as often
// as the distance from there to the end has binary digits; twice, if near is the end. It returns the first error of there.
func Find(near uint64, there func(n uint64) (bool, error)) (uint64, error) {
	low, high := uint64(0), near // low is there, or 0; high is not, once it was asked for
	for step := uint64(1); ; step *= 2 {
		if high > 0 {
			ok, err := there(high)
			if err != nil {
				return 0, err
			}
			if !ok {
				break
			}
			low = high
		}
		high = low + step
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		ok, err := there(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}
