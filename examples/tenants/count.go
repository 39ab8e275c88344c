package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// counted is what an independent reader finds, which has nothing of the library.
type counted struct {
	workers []struct{ advertisers, rows, bills int }

	missing, twice, foreign int // clicks that no worker has, that are there again, that another worker has or another advertiser
	rows                    int
}

// wrong says what is not as it must be.
func (c *counted) wrong() error {
	if c.missing+c.twice+c.foreign == 0 {
		return nil
	}
	return fmt.Errorf("of %d clicks %d are missing, %d are there again, and %d have come to the wrong place", c.rows, c.missing, c.twice, c.foreign)
}

// count compares the bills of the workers with the input.
func count(o *options) (*counted, error) {
	owner := make([]string, o.rows) // advertiser by ID
	c := &counted{rows: o.rows, workers: make([]struct{ advertisers, rows, bills int }, o.workers)}
	names := map[string]bool{}
	inputs, err := filepath.Glob(filepath.Join(o.input(), "*.ndjson"))
	if err != nil {
		return nil, err
	}
	n := 0
	for _, name := range inputs {
		err := lines(name, func(line string) error {
			var in struct {
				ID         int
				Advertiser string
			}
			if err := json.Unmarshal([]byte(line), &in); err != nil {
				return err
			}
			owner[in.ID] = in.Advertiser
			if n++; !names[in.Advertiser] {
				names[in.Advertiser] = true
				c.workers[workerOf(in.Advertiser, o.workers)].advertisers++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if n != o.rows {
		return nil, fmt.Errorf("the input has %d clicks, not %d: delete %s", n, o.rows, o.dir)
	}
	seen := make([]bool, o.rows)
	for w := range o.workers {
		if err := c.bills(o, w, owner, seen); err != nil {
			return nil, err
		}
	}
	for _, there := range seen {
		if !there {
			c.missing++
		}
	}
	return c, nil
}

// bills adds those of a worker.
func (c *counted) bills(o *options, worker int, owner []string, seen []bool) error {
	names, err := filepath.Glob(filepath.Join(o.worker(worker), "*"+billExt))
	if err != nil {
		return err
	}
	for _, name := range names {
		c.workers[worker].bills++
		err := lines(name, func(line string) error {
			f := strings.Split(line, "\t")
			id, err := strconv.Atoi(f[0])
			if err != nil || len(f) != 3 || id < 0 || id >= len(owner) {
				return fmt.Errorf("the line %q", line)
			}
			advertiser, err := strconv.Unquote(f[2])
			if err != nil {
				return err
			}
			c.workers[worker].rows++
			if advertiser != owner[id] || workerOf(advertiser, o.workers) != worker {
				c.foreign++
			}
			if seen[id] {
				c.twice++
			}
			seen[id] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lines calls f with each line of a file.
func lines(name string, f func(line string) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	sc := bufio.NewScanner(file)
	for sc.Scan() {
		if err := f(sc.Text()); err != nil {
			return errors.Join(fmt.Errorf("%s cannot be read", name), err)
		}
	}
	return sc.Err()
}
