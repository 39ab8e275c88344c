package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// writeTable prints how all policies did on a trace. The first result is the oracle's.
func writeTable(w io.Writer, t trace, results []result) error {
	if _, err := fmt.Fprintf(w, "%s: %s\n", t.name, t.story); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "policy\tcopy-hours\tof oracle\tworst delay\tp99 delay\trebalances\tgoal\t\n")
	for _, r := range results {
		met := "met"
		if !r.meets() {
			met = "missed"
		}
		if r.policy == oracleName {
			met = "" // it keeps the goal at the end of each slot; in between it may be some seconds over
		}
		fmt.Fprintf(tw, "%s\t%.1f\t%.2f\t%s\t%s\t%d\t%s\t\n",
			r.policy, r.copyHours, r.copyHours/results[0].copyHours, r.worst, r.p99, r.rebalances, met)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// writeSummary prints a row of Markdown per trace, as in docs/scaling.md: copy-hours as a multiple of the oracle's, worst
// delay, rebalances.
func writeSummary(w io.Writer, t trace, results []result) error {
	row := fmt.Sprintf("| %s | %.0f h |", t.name, results[0].copyHours)
	for _, r := range results[1:] {
		missed := ""
		if !r.meets() {
			missed = " **missed**"
		}
		row += fmt.Sprintf(" %.2f · %s%s · %d |", r.copyHours/results[0].copyHours, r.worst, missed, r.rebalances)
	}
	_, err := fmt.Fprintln(w, row)
	return err
}
