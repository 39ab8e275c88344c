package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// click is a line of the input, and a row of the output.
type click struct {
	ID         int       `json:"id"`
	Time       time.Time `json:"time"`
	Advertiser string    `json:"advertiser"`
	Cost       float64   `json:"cost"`
}

const inputFiles = 4

// advertiser is the name of the nth one. Some have names that no folder can have as they are.
func advertiser(n int) string {
	odd := []string{"", "a/b", "../etc", "Müller & Söhne", "50% off", "=", "日本"}
	if n < len(odd) {
		return odd[n]
	}
	return fmt.Sprintf("adv-%05d", n)
}

// generate writes the input, unless it is there: clicks of three hours, ordered by time, in a number of files. Each advertiser has
// one at least, and the first ones have many.
func generate(o *options) error {
	if _, err := os.Stat(o.input()); err == nil {
		return nil
	}
	tmp := o.input() + ".tmp"
	if err := os.MkdirAll(tmp, 0o777); err != nil {
		return err
	}
	var files [inputFiles]*bufio.Writer
	for i := range files {
		f, err := os.Create(filepath.Join(tmp, fmt.Sprintf("clicks-%d.ndjson", i)))
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = bufio.NewWriter(f)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	begin, step := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC), 3*time.Hour/time.Duration(o.rows)
	for id := range o.rows {
		n := id
		if id >= o.advertisers {
			n = rnd.IntN(rnd.IntN(o.advertisers) + 1)
		}
		line, err := json.Marshal(click{
			ID: id, Time: begin.Add(time.Duration(id) * step), Advertiser: advertiser(n), Cost: float64(1+rnd.IntN(200)) / 100,
		})
		if err != nil {
			return err
		}
		if _, err := files[id%inputFiles].Write(append(line, '\n')); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := f.Flush(); err != nil {
			return err
		}
	}
	return os.Rename(tmp, o.input())
}
