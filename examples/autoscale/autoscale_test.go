package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/dynamic"
)

// The figures that docs/scaling.md promises. They are simulations on a clock of their own, so they are the same everywhere.
const (
	mostOfOracle     = 1.25      // copy-hours of the combined policy
	mostOfRebalances = 1.0 / 3.0 // of the usual rule on lag
)

// played is a trace with the results of all policies.
type played struct {
	trace
	results []result
}

// all plays everything once for all tests.
var all = sync.OnceValues(func() (list []played, err error) {
	for _, tr := range traces() {
		results, err := compare(tr)
		if err != nil {
			return nil, err
		}
		list = append(list, played{tr, results})
	}
	return list, nil
})

func playAll(t *testing.T) []played {
	t.Helper()
	list, err := all()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCombinedHoldsItsPromiseOnEveryTrace(t *testing.T) {
	for _, p := range playAll(t) {
		t.Run(p.name, func(t *testing.T) {
			of := map[string]result{}
			anyMeets := false
			for _, r := range p.results {
				of[r.policy] = r
				anyMeets = anyMeets || r.meets()
			}
			c, oracle := of["combined"], of[oracleName]
			if anyMeets && !c.meets() {
				t.Errorf("the delay reached %s; another policy met the goal of %s", c.worst, goal)
			}
			if ratio := c.copyHours / oracle.copyHours; ratio > mostOfOracle {
				t.Errorf("%.2f times the copy-hours of the oracle, want at most %g", ratio, mostOfOracle)
			}
			if usual := of["lag threshold"]; float64(c.rebalances) > mostOfRebalances*float64(usual.rebalances) {
				t.Errorf("%d rebalances, the usual rule made %d; want at most a third", c.rebalances, usual.rebalances)
			}
			// The usual rule would not be beaten fairly if its threshold were badly chosen.
			for _, seconds := range []float64{30, 60, 180, 240} {
				r, err := play(p.trace, "threshold", &threshold{lag: seconds * copyRate}, p.first(tight))
				if err != nil {
					t.Fatal(err)
				}
				if float64(c.rebalances) > mostOfRebalances*float64(r.rebalances) {
					t.Errorf("%d rebalances; a threshold of %g seconds' work made %d; want at most a third", c.rebalances, seconds, r.rebalances)
				}
			}
		})
	}
}

// The defaults follow the goal, so nobody has to find a utilization for another one.
func TestDefaultsKeepEveryGoal(t *testing.T) {
	for _, tr := range traces() {
		for _, goal := range []time.Duration{90 * time.Second, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute} {
			p, err := combined(tr, &dynamic.Options{Goal: goal})
			if err != nil {
				t.Fatal(err)
			}
			r, err := play(tr, "combined", p, tr.first(roomy))
			if err != nil {
				t.Fatal(err)
			}
			if r.worst > goal {
				t.Errorf("%s: the delay reached %s, the goal is %s", tr.name, r.worst, goal)
			}
		}
	}
}

func TestNoPolicyOfOursMovesOnFlatNoise(t *testing.T) {
	for seed := range uint64(60) {
		tr := flat(100+seed, 2+float64(seed)*0.21)
		for _, c := range contenders() {
			if c.name == "static" || c.name == "lag threshold" {
				continue
			}
			p, err := c.make(tr)
			if err != nil {
				t.Fatal(err)
			}
			r, err := play(tr, c.name, p, tr.first(c.util))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.changes) > 0 {
				t.Errorf("seed %d: %s made %d changes in 6 hours of flat noise; the first at %s: %s", seed, c.name, len(r.changes), r.changes[0].At.Format("15:04"), r.changes[0])
			}
		}
	}
}

// The table in the docs is what the program prints. Floating point may differ in the last digit elsewhere.
func TestTheDocsHaveTheFiguresOfTheProgram(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the docs have the figures of amd64")
	}
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range playAll(t) {
		var row strings.Builder
		if err := writeSummary(&row, p.trace, p.results); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(docs), row.String()) {
			t.Errorf("docs/scaling.md does not have the row\n%s", &row)
		}
	}
}

// An oracle that breaks the goal, or that a policy beats, would be no yardstick.
func TestTheOracleIsOne(t *testing.T) {
	for _, p := range playAll(t) {
		oracle := p.results[0]
		if p.excused == nil && oracle.worst > goal*11/10 {
			t.Errorf("%s: the oracle's delay reaches %s", p.name, oracle.worst)
		}
		for _, r := range p.results[1:] {
			if r.copyHours < oracle.copyHours && r.meets() {
				t.Errorf("%s: %s needs %.1f copy-hours, the oracle %.1f", p.name, r.policy, r.copyHours, oracle.copyHours)
			}
		}
	}
}

func TestTheSameTraceGivesTheSameDecisions(t *testing.T) {
	var runs [2][]scaler.Decision
	for i := range runs {
		tr := traces()[2]
		p, err := combined(tr, options(0))
		if err != nil {
			t.Fatal(err)
		}
		r, err := play(tr, "combined", p, tr.first(tight))
		if err != nil {
			t.Fatal(err)
		}
		runs[i] = r.changes
	}
	if len(runs[0]) == 0 || len(runs[0]) != len(runs[1]) {
		t.Fatalf("%d and %d changes", len(runs[0]), len(runs[1]))
	}
	for i, d := range runs[0] {
		if d.String() != runs[1][i].String() || !d.At.Equal(runs[1][i].At) {
			t.Errorf("change %d: %s and %s", i, d, runs[1][i])
		}
	}
}

func TestTheModelLosesAndInventsNoRecord(t *testing.T) {
	tr := traces()[3]
	j := newJob(tr, 6)
	err := j.live(&result{}, func() error {
		if j.second%600 == 0 {
			j.resize(2 + j.second/600%20)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for s, load := range tr.load {
		sum += load
		if math.Abs(j.arrived[s]-sum) > 1 || j.done[s] > j.arrived[s]+1e-3 || s > 0 && j.done[s] < j.done[s-1] {
			t.Fatalf("second %d: arrived %g of %g, done %g", s, j.arrived[s], sum, j.done[s])
		}
		if tr.down(s) && j.done[s] != j.done[max(0, s-1)] {
			t.Fatalf("second %d: work during the outage", s)
		}
	}
}

func TestOutputIsATableAndAChartPerTrace(t *testing.T) {
	dir := t.TempDir()
	var table bytes.Buffer
	if err := run(&table, writeTable, dir, "missing data", "combined"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"missing data: ", "copy-hours", "lag threshold", "changed "} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, &table)
		}
	}
	f, err := os.Open(filepath.Join(dir, "missing-data.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	texts, paths := 0, 0
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the chart is no XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
			texts++
		} else if ok && e.Name.Local == "path" {
			paths++
		}
	}
	if texts < 30 || paths < 20 {
		t.Errorf("the chart has %d texts and %d paths, want its scales and lines", texts, paths)
	}
}
