package dynamic

import (
	"math"
	"time"
)

// unknown stands for a value that was not measured, in observations. Measured values are never negative.
const unknown = -1

// observation is one step's sample, as the policy remembers it.
type observation struct {
	At       time.Time `json:"at"`
	Arrival  float64   `json:"arrival"`
	Done     float64   `json:"done"`
	Lag      float64   `json:"lag"`
	Delay    float64   `json:"delay"` // seconds
	Busy     float64   `json:"busy"`
	Ready    float64   `json:"ready"`
	Cores    float64   `json:"cores"` // of all copies that worked
	Settling bool      `json:"settling,omitempty"`
	Load     float64   `json:"load"` // mean arrival of the window that ends here
}

// history holds the observations of the last while, oldest first.
type history []observation

// since is the part of h from t on.
func (h history) since(t time.Time) history {
	for i := range h {
		if !h[i].At.Before(t) {
			return h[i:]
		}
	}
	return nil
}

// mean averages the known values of a number; unknown if there is none.
func (h history) mean(of func(*observation) float64) float64 {
	sum, n := 0.0, 0
	for i := range h {
		if v := of(&h[i]); v >= 0 {
			sum += v
			n++
		}
	}
	if n == 0 {
		return unknown
	}
	return sum / float64(n)
}

// most and least are the extremes of the known values; unknown if there is none.
func (h history) most(of func(*observation) float64) float64 {
	most := float64(unknown)
	for i := range h {
		most = max(most, of(&h[i]))
	}
	return most
}

func (h history) least(of func(*observation) float64) float64 {
	least := float64(unknown)
	for i := range h {
		if v := of(&h[i]); v >= 0 && (least < 0 || v < least) {
			least = v
		}
	}
	return least
}

// spans reports whether h reaches back to from, with known values and without a hole of more than half the time.
func (h history) spans(from, now time.Time, of func(*observation) float64) bool {
	hole := now.Sub(from) / 2
	at, reached := now, false
	for i := len(h) - 1; i >= 0 && !reached; i-- {
		if of(&h[i]) < 0 {
			continue
		}
		if at.Sub(h[i].At) > hole {
			return false
		}
		at = h[i].At
		reached = !at.After(from)
	}
	return reached
}

func arrivalOf(o *observation) float64 { return o.Arrival }
func doneOf(o *observation) float64    { return o.Done }
func delayOf(o *observation) float64   { return o.Delay }
func loadOf(o *observation) float64    { return o.Load }

// arrival is the mean arrival rate of h. Where nobody measures it, it is what was done and what the lag grew by.
func (h history) arrival() float64 {
	if a := h.mean(arrivalOf); a >= 0 {
		return a
	}
	done, from, to := h.mean(doneOf), -1, -1
	for i := range h {
		if h[i].Lag >= 0 {
			if from < 0 {
				from = i
			}
			to = i
		}
	}
	if done < 0 || from == to {
		return unknown
	}
	return max(0, done+(h[to].Lag-h[from].Lag)/h[to].At.Sub(h[from].At).Seconds())
}

// line is the growth per second of a number, and its level at the first observation, by least squares.
func (h history) line(of func(*observation) float64) (slope, level float64) {
	var n, sx, sy, sxx, sxy float64
	for i := range h {
		y := of(&h[i])
		if y < 0 {
			continue
		}
		x := h[i].At.Sub(h[0].At).Seconds()
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if d := n*sxx - sx*sx; d > 0 {
		slope = (n*sxy - sx*sy) / d
	}
	return slope, (sy - slope*sx) / max(n, 1)
}

// noise is the standard error of the mean of a window of n readings, as a share of the mean: how far the mean is off by
// chance. It comes from the readings around their line of growth; since bursts last longer than a reading, their
// correlation is taken into account (for a first-order autoregression: Priestley, Spectral Analysis and Time Series, 5.3.2).
func (h history) noise(n int) float64 {
	slope, level := h.line(arrivalOf)
	var sum, square, product, before float64
	count := 0.0
	for i := range h {
		if h[i].Arrival < 0 {
			continue
		}
		off := h[i].Arrival - level - slope*h[i].At.Sub(h[0].At).Seconds()
		sum, square, product = sum+h[i].Arrival, square+off*off, product+off*before
		before, count = off, count+1
	}
	if count < minReadings || square == 0 || sum <= 0 || n < 1 {
		return 0
	}
	correlation := min(max(product/square, 0), 0.9)
	variance := square / (count - 2) * (1 + correlation) / (1 - correlation) / float64(n)
	return math.Sqrt(variance) / (sum / count)
}
