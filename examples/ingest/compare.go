package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/manifest"
)

// comparison is what the output has, beside what clients were told is accepted, line by line.
type comparison struct {
	acked, rows            int
	missing, extra, double int    // lines
	example                string // of one that is wrong
}

func (c *comparison) same() bool { return c.missing+c.extra+c.double == 0 && c.acked == c.rows }

func (c *comparison) String() string {
	s := fmt.Sprintf("%d lines were accepted, %d are in the output: %d missing, %d that nobody was told of, %d twice", c.acked, c.rows, c.missing, c.extra, c.double)
	if c.example != "" {
		s += ", such as " + c.example
	}
	return s
}

// compare reads what is committed, with nothing of the job.
func compare(ctx context.Context, store sink.Store, acked string) (*comparison, error) {
	c := &comparison{}
	left := map[string]int{} // copies that the output must have
	f, err := os.Open(acked)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := eachLine(f, func(line string) { left[line]++; c.acked++ }); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for m, err := range sink.Committed(ctx, store, jobName, 0, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			return nil, err
		}
		for _, file := range m.Files {
			if file.Kind != manifest.OnTime && file.Kind != manifest.Late {
				continue
			}
			body, err := store.Open(ctx, file.Key)
			if err != nil {
				return nil, err
			}
			err = eachLine(body, func(line string) {
				c.rows++
				n, known := left[line]
				switch {
				case !known:
					c.extra, c.example = c.extra+1, line
				case seen[line]:
					c.double, c.example = c.double+1, line
				default:
					left[line] = n - 1
				}
				seen[line] = true
			})
			if err := errClose(err, body); err != nil {
				return nil, err
			}
		}
	}
	for line, n := range left {
		if n > 0 {
			c.missing, c.example = c.missing+n, line
		}
	}
	return c, nil
}

func errClose(err error, c io.Closer) error {
	if e := c.Close(); err == nil {
		return e
	}
	return err
}

func eachLine(r io.Reader, f func(string)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, mostLine+1)
	for s.Scan() {
		f(s.Text())
	}
	return s.Err()
}
