package lane

import "time"

// pendingTimes finds the oldest record that a stage holds, by the lane's event time when the record was read. A later stage
// must not be told a newer event time, or the record would reach it behind its timers.
type pendingTimes struct {
	n    map[int64]int32 // by second
	heap []int64         // seconds, the least first; all those of n, and some that have gone
}

const second = 1_000_000 // of microseconds

func floorSecond(micro int64) int64 { return time.UnixMicro(micro).Unix() }

func (h *pendingTimes) add(micro int64) {
	s := floorSecond(micro)
	if h.n[s]++; h.n[s] > 1 {
		return
	}
	if len(h.heap) > 2*len(h.n)+64 { // a second that comes and goes behind the oldest leaves one each time
		h.heap = h.heap[:0]
		for s := range h.n {
			h.push(s)
		}
		return
	}
	h.push(s)
}

func (h *pendingTimes) remove(micro int64) {
	s := floorSecond(micro)
	if h.n[s]--; h.n[s] > 0 {
		return
	}
	delete(h.n, s)
	for len(h.heap) > 0 && h.n[h.heap[0]] == 0 {
		h.pop()
	}
}

// oldest returns the second of the oldest pending record; false if nothing is pending.
func (h *pendingTimes) oldest() (int64, bool) {
	if len(h.heap) == 0 {
		return 0, false
	}
	return h.heap[0], true
}

func (h *pendingTimes) push(s int64) {
	h.heap = append(h.heap, s)
	for i := len(h.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if h.heap[up] <= s {
			return
		}
		h.heap[i], h.heap[up] = h.heap[up], s
		i = up
	}
}

func (h *pendingTimes) pop() {
	n := len(h.heap) - 1
	h.heap[0] = h.heap[n]
	h.heap = h.heap[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			return
		}
		if c+1 < n && h.heap[c+1] < h.heap[c] {
			c++
		}
		if h.heap[i] <= h.heap[c] {
			return
		}
		h.heap[i], h.heap[c] = h.heap[c], h.heap[i]
		i = c
	}
}
