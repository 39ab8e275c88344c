package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"
)

// The chart's geometry, in pixels.
const (
	width, left, right = 1200.0, 70.0, 20.0
	panelHeight, gap   = 190.0, 46.0
	top, legendLine    = 64.0, 20.0
)

// styles are the lines of the policies; one without a style is not drawn. Later ones lie above earlier ones.
var styles = []struct{ policy, colour, extra string }{
	{"lag threshold", "#e8a33d", `stroke-width="0.8" stroke-opacity="0.7"`},
	{"static", "#7b8794", `stroke-width="1.6"`},
	{oracleName, "#111111", `stroke-width="1.2" stroke-dasharray="2 3"`},
	{"combined", "#0b7a4b", `stroke-width="2.4"`},
}

// chart is an SVG with three panels over one axis of time: load, copies, delay.
type chart struct {
	b       strings.Builder
	minutes int
	y       float64 // top of the current panel
	most    float64 // its greatest value
}

func writeChart(w io.Writer, t trace, results []result) error {
	c := &chart{minutes: len(t.load) / 60, y: top + legendLine*float64(len(styles)) + 24}
	height := c.y + 3*(panelHeight+gap)
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="13" fill="#222">`, width, height)
	fmt.Fprintf(&c.b, `<rect width="%g" height="%g" fill="#fff"/>`, width, height)
	c.text(left, 26, `font-size="19" font-weight="bold"`, t.name)
	c.text(left, 46, `fill="#555"`, t.story)
	c.legend(results)

	load := t.perMinute()
	c.panel("load, thousand records/s", maxOf(load)*1.1)
	c.area(load)
	c.next()
	c.panel("copies", copiesTop(results))
	c.lines(results, func(r result) []float64 { return floats(r.copies) })
	c.next()
	c.panel(fmt.Sprintf("delay, minutes: the worst of each %d; cut at twice the goal", c.bucket()), 2*goal.Minutes())
	c.lines(results, func(r result) []float64 { return c.worst(r.delay) })
	y := c.at(goal.Minutes())
	fmt.Fprintf(&c.b, `<path d="M%g %.1fH%g" stroke="#c0392b" stroke-dasharray="6 4"/>`, left, y, width-right)
	c.text(width-right-36, y-5, `fill="#c0392b"`, "goal")
	c.b.WriteString("</svg>\n")
	_, err := io.WriteString(w, c.b.String())
	return err
}

// legend says in a line per policy what it cost and brought.
func (c *chart) legend(results []result) {
	y := top + 8
	for i := len(styles) - 1; i >= 0; i-- {
		for _, r := range results {
			if r.policy != styles[i].policy {
				continue
			}
			fmt.Fprintf(&c.b, `<path d="M%g %gh34" fill="none" stroke="%s" %s/>`, left, y-4, styles[i].colour, styles[i].extra)
			c.text(left+44, y, "", r.policy)
			c.text(left+160, y, `fill="#555"`, fmt.Sprintf("%.0f copy-hours (%.2f of the oracle's), worst delay %s, %d rebalances",
				r.copyHours, r.copyHours/results[0].copyHours, r.worst, r.rebalances))
			y += legendLine
		}
	}
}

// panel draws a frame with a title, a scale and the hours.
func (c *chart) panel(title string, most float64) {
	c.most = most
	c.text(left, c.y-8, `font-weight="bold"`, title)
	step := niceStep(most)
	for v := 0.0; v <= most; v += step {
		y := c.at(v)
		fmt.Fprintf(&c.b, `<path d="M%g %.1fH%g" stroke="#e3e6ea"/>`, left, y, width-right)
		c.text(left-8, y+4, `text-anchor="end" fill="#555"`, fmt.Sprintf("%g", v))
	}
	every, format, label := 2*60, "15:04", 0
	if c.minutes > 2*24*60 {
		every, format, label = 24*60, "Mon", 12*60 // in the middle of the day
	}
	for m := 0; m <= c.minutes; m += every {
		fmt.Fprintf(&c.b, `<path d="M%.1f %gv%g" stroke="#dde1e5"/>`, c.x(m), c.y, panelHeight+4)
		if m+label <= c.minutes {
			c.text(c.x(m+label), c.y+panelHeight+17, `text-anchor="middle" fill="#555"`, start.Add(time.Duration(m)*time.Minute).Format(format))
		}
	}
	fmt.Fprintf(&c.b, `<rect x="%g" y="%g" width="%g" height="%g" fill="none" stroke="#c3c9d0"/>`, left, c.y, width-left-right, panelHeight)
}

// bucket is how many minutes share a step of a line that changes often: about 4 pixels.
func (c *chart) bucket() int { return max(1, c.minutes/280) }

// worst is the delay in minutes, as bad as it was in each bucket.
func (c *chart) worst(seconds []float64) []float64 {
	worst, n := make([]float64, len(seconds)), c.bucket()
	for m := range seconds {
		from := m / n * n
		worst[m] = maxOf(seconds[from:min(from+n, len(seconds))]) / 60
	}
	return worst
}

func (c *chart) next() { c.y += panelHeight + gap }

func (c *chart) x(minute int) float64 {
	return left + (width-left-right)*float64(minute)/float64(c.minutes)
}

func (c *chart) at(v float64) float64 { return c.y + panelHeight*(1-min(1, v/c.most)) }

// lines draws a step line for each policy.
func (c *chart) lines(results []result, of func(result) []float64) {
	for _, style := range styles {
		for _, r := range results {
			if r.policy != style.policy {
				continue
			}
			var path strings.Builder
			values := of(r)
			for m, v := range values {
				if m == 0 {
					fmt.Fprintf(&path, "M%.1f %.1f", c.x(0), c.at(v))
				} else if v != values[m-1] {
					fmt.Fprintf(&path, "H%.1fV%.1f", c.x(m), c.at(v))
				}
			}
			fmt.Fprintf(&path, "H%.1f", c.x(len(values)))
			fmt.Fprintf(&c.b, `<path d="%s" fill="none" stroke="%s" %s/>`, &path, style.colour, style.extra)
		}
	}
}

func (c *chart) area(values []float64) {
	fmt.Fprintf(&c.b, `<path d="M%g %g`, left, c.y+panelHeight)
	for m, v := range values {
		fmt.Fprintf(&c.b, "L%.1f %.1f", c.x(m), c.at(v))
	}
	fmt.Fprintf(&c.b, `L%.1f %gZ" fill="#9ec5e8" stroke="#3b7fb8"/>`, c.x(len(values)-1), c.y+panelHeight)
}

func (c *chart) text(x, y float64, attributes, s string) {
	fmt.Fprintf(&c.b, `<text x="%g" y="%.1f" %s>%s</text>`, x, y, attributes, html.EscapeString(s))
}

// perMinute is the mean load of each minute in thousands of records a second.
func (t trace) perMinute() []float64 {
	m := make([]float64, len(t.load)/60)
	for s, v := range t.load[:len(m)*60] {
		m[s/60] += v / 60 / 1000
	}
	return m
}

func maxOf(values []float64) (most float64) {
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

func copiesTop(results []result) float64 {
	most := 0.0
	for _, r := range results {
		most = max(most, maxOf(floats(r.copies)))
	}
	return most * 1.1
}

func floats(n []int) []float64 {
	f := make([]float64, len(n))
	for i, v := range n {
		f[i] = float64(v)
	}
	return f
}

// niceStep divides a scale into about five steps of 1, 2 or 5 times a power of ten.
func niceStep(most float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(most/5)))
	for _, f := range []float64{1, 2, 5} {
		if f*power*5 >= most {
			return f * power
		}
	}
	return 10 * power
}
