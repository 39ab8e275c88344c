// Command autoscale runs scaling policies against load traces and compares them with an oracle that knows the future. It
// prints a table, and writes a chart of load, copies and delay for each trace.
//
//	go run ./examples/autoscale -out out
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("out", "", "folder for the charts; none are written without it")
	only := flag.String("trace", "", "only this trace")
	why := flag.String("why", "", "also print each step of this policy and why it was taken")
	summary := flag.Bool("summary", false, "print a row of Markdown per trace instead of a table")
	flag.Parse()
	write := writeTable
	if *summary {
		write = writeSummary
	}
	if err := run(os.Stdout, write, *out, *only, *why); err != nil {
		log.Fatal(err)
	}
}

func run(w io.Writer, write func(io.Writer, trace, []result) error, out, only, why string) error {
	for _, t := range traces() {
		if only != "" && only != t.name {
			continue
		}
		results, err := compare(t)
		if err != nil {
			return fmt.Errorf("trace %s: %w", t.name, err)
		}
		if err := write(w, t, results); err != nil {
			return err
		}
		for _, r := range results {
			if r.policy != why {
				continue
			}
			for _, d := range r.changes {
				fmt.Fprintf(w, "%s %s\n", d.At.Format("Mon 15:04:05"), d)
			}
		}
		if out == "" {
			continue
		}
		if err := save(out, t, results); err != nil {
			return err
		}
	}
	return nil
}

// save writes the chart of a trace.
func save(dir string, t trace, results []result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, strings.ReplaceAll(t.name, " ", "-")+".svg"))
	if err != nil {
		return err
	}
	if err := writeChart(f, t, results); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
