package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// printTable prints a row for each variant.
func printTable(out io.Writer, s set, vs []variant, runs map[string][]measured) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "variant\tCPU us/event\tmin\tmax\t/ floor\tpeak MiB\tMB out\tallocs/event\tevents/s\t")
	for i := range vs {
		v := &vs[i]
		ms := runs[v.name]
		ratio, bytes, allocs := "", "", ""
		if floor := runs[v.floorOf()]; len(floor) > 0 {
			ratio = fmt.Sprintf("%.2f", median(ratios(ms, floor)))
			bytes = fmt.Sprintf("%.1f", float64(ms[0].bytes)/1e6)
		}
		if ms[0].Allocs > 0 {
			allocs = fmt.Sprintf("%.4f", median(each(ms, func(m measured) float64 { return m.Allocs })))
		}
		us := perEvent(ms)
		peak := slices.Max(each(ms, func(m measured) float64 { return float64(m.Peak) }))
		wall := median(each(ms, func(m measured) float64 { return m.Wall }))
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%s\t%.0f\t%s\t%s\t%.0f\t\n", v.name, median(us), slices.Min(us), slices.Max(us),
			ratio, peak/(1<<20), bytes, allocs, float64(s.n)/wall)
	}
	_ = t.Flush()
}

// figure is a number that follows from several variants, with the bounds we set ourselves.
type figure struct {
	name      string
	value     []float64 // by round
	must, aim float64
}

// printFigures prints what follows from the variants that ran. Nothing fails here: machines are noisy.
func printFigures(out io.Writer, runs map[string][]measured) {
	var fs []figure
	for _, c := range []string{"zstd", "gzip", "s2"} {
		must, aim := 0.95, 0.80
		if c == "s2" {
			must, aim = math.NaN(), math.NaN()
		}
		fs = append(fs, figure{c + " on disk / floor", ratios(runs["disk-"+c], runs["floor-"+c]), must, aim})
	}
	for _, c := range []string{"zstd", "gzip", "s2"} {
		fs = append(fs, figure{c + " on S3 / floor", ratios(runs["s3-"+c], runs["floor-"+c]), 1.05, 0.90})
	}
	extra := difference(runs["disk-zstd-join"], runs["disk-zstd"])
	for i := range extra {
		extra[i] /= perEvent(runs["floor-zstd"])[i]
	}
	fs = append(fs,
		figure{"join, extra / floor", extra, 0.25, 0.15},
		figure{"engine over source, us/event", difference(runs["engine"], runs["source"]), 0.20, 0.10},
		figure{"packs and merge, less bare files / without keys", merged(runs, "paths-merge"), 1.6, math.NaN()},
		figure{"the same, two instances", merged(runs, "paths-merge-2"), 1.6, math.NaN()},
		figure{"merged files / written in one go, bytes", sizes(runs["paths-merge"], runs["paths-loop"]), 1.05, math.NaN()},
		figure{"the same, two instances", sizes(runs["paths-merge-2"], runs["paths-loop"]), 1.05, math.NaN()},
		figure{"peak of each of two instances, MiB", each(runs["paths-merge-2"], func(m measured) float64 { return float64(m.Peak) / (1 << 20) }), 256, math.NaN()},
		figure{"6 flows on disk / floor", ratios(runs["disk-zstd-flows"], runs["floor-zstd-flows"]), math.NaN(), math.NaN()})
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nfigure\tmedian\tmin\tmax\tmust\taim\t")
	for _, f := range fs {
		if len(f.value) > 0 {
			fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%s\t%s\t\n", f.name, median(f.value), slices.Min(f.value), slices.Max(f.value), bound(f.must), bound(f.aim))
		}
	}
	_ = t.Flush()
}

// merged is what a variant with packs costs, less what its files cost, beside the flow without keys.
func merged(runs map[string][]measured, name string) (out []float64) {
	all, bare, without := runs[name], runs["paths-bare"], runs["disk-zstd"]
	for i := range min(len(all), len(bare), len(without)) {
		out = append(out, (all[i].CPU-bare[i].CPU)/without[i].CPU)
	}
	return out
}

func sizes(a, b []measured) (out []float64) {
	for i := range min(len(a), len(b)) {
		out = append(out, float64(a[i].bytes)/float64(b[i].bytes))
	}
	return out
}

// printRequests prints what was asked of the store in the last run of variants with packs.
func printRequests(out io.Writer, vs []variant, runs map[string][]measured) {
	for i := range vs {
		ms := runs[vs[i].name]
		if len(ms) == 0 {
			continue
		}
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for k, line := range figuresOfRequests(ms[len(ms)-1].Requests, max(1, vs[i].instances)) {
			if k == 0 {
				fmt.Fprintf(t, "\n%s\teach\tmust\t\n", vs[i].name)
			}
			fmt.Fprintln(t, line)
		}
		_ = t.Flush()
	}
}

func bound(b float64) string {
	if math.IsNaN(b) {
		return ""
	}
	return fmt.Sprintf("<= %.2f", b)
}

// perEvent is the CPU time of each run in microseconds per record.
func perEvent(ms []measured) []float64 {
	return each(ms, func(m measured) float64 { return m.CPU * 1e6 / float64(m.Read) })
}

// ratios and difference compare the runs of the same round, which saw the same noise. They are empty if one did not run.
func ratios(a, b []measured) []float64 {
	return pairs(a, b, func(x, y float64) float64 { return x / y })
}

func difference(a, b []measured) []float64 {
	return pairs(a, b, func(x, y float64) float64 { return x - y })
}

func pairs(a, b []measured, f func(x, y float64) float64) (out []float64) {
	x, y := perEvent(a), perEvent(b)
	for i := range min(len(x), len(y)) {
		out = append(out, f(x[i], y[i]))
	}
	return out
}

func each(ms []measured, f func(measured) float64) (out []float64) {
	for _, m := range ms {
		out = append(out, f(m))
	}
	return out
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
