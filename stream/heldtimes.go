package stream

// heldTimes knows the oldest of the records that a stage holds, by the event time that the lane had reached when they
// were read. A later stage must not be told a newer time: what is held would reach it behind its timers.
type heldTimes struct {
	n      map[int64]int32 // by second
	oldest int64           // second; meaningless if n is empty
}

const second = 1_000_000 // of microseconds

func floorSecond(micro int64) int64 {
	s := micro / second
	if micro%second < 0 {
		s--
	}
	return s
}

func (h *heldTimes) add(micro int64) {
	s := floorSecond(micro)
	if len(h.n) == 0 || s < h.oldest {
		h.oldest = s
	}
	h.n[s]++
}

func (h *heldTimes) remove(micro int64) {
	s := floorSecond(micro)
	if h.n[s]--; h.n[s] > 0 {
		return
	}
	delete(h.n, s)
	if s != h.oldest {
		return
	}
	first := true
	for k := range h.n { // as many as there are seconds in the span of held records
		if first || k < h.oldest {
			h.oldest, first = k, false
		}
	}
}
