package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// checker compares an output with the set, row by row. It knows nothing of how the output was made.
type checker struct {
	set         set
	join, split bool
	paths       bool
	merge       bool

	seen []atomic.Uint64 // a bit for each event
	rows atomic.Int64
}

// check reads all files and fails unless each event is there once, whole, in the folder of its hour and flow.
func (c *checker) check(files []visible) (bytes int64, err error) {
	c.seen = make([]atomic.Uint64, (c.set.size()+63)/64)
	errs := make([]error, len(files))
	slots := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for i, f := range files {
		bytes += f.size
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := c.file(f); err != nil {
				errs[i] = fmt.Errorf("%s: %w", f.path, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return bytes, err
	}
	distinct := int64(0)
	for i := range c.set.size() {
		want := !c.join || c.set.kind(i) != beat // beats are in their loads, or dropped
		got := c.seen[i/64].Load()>>(i%64)&1 == 1
		if got != want && !(c.merge && i >= c.set.n) { // the last ones only end the hours before them: their hour may be open, and have packs
			return bytes, fmt.Errorf("event %d: there %v, want %v", i, got, want)
		}
		if got {
			distinct++
		}
	}
	if rows := c.rows.Load(); rows != distinct {
		return bytes, fmt.Errorf("%d rows of %d events: %d are there twice", rows, distinct, rows-distinct)
	}
	return bytes, nil
}

func (c *checker) file(f visible) error {
	flow, rest, _ := strings.Cut(f.path, "/")
	day, rest, _ := strings.Cut(rest, "/")
	hour, name, _ := strings.Cut(rest, "/")
	in, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := plain(name, in)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	var want []byte
	rows := int64(0)
	for lines.Scan() {
		line := lines.Bytes()
		rows++
		e, err := decode(line)
		if err != nil || len(e.id) != 32 {
			return fmt.Errorf("row %d: %w", rows, errEvent)
		}
		id, err := strconv.ParseUint(e.id[:16], 16, 64)
		i := int(unmix(id))
		if err != nil || i < 0 || i >= c.set.size() {
			return fmt.Errorf("row %d is no event of the set: %.60s", rows, line)
		}
		if want = c.row(want[:0], i); !bytes.Equal(line, want) {
			return fmt.Errorf("row %d is %s, want %s", rows, line, want)
		}
		if e.time().Format("day=2006-01-02/hour=15") != day+"/"+hour || c.split && flow != kinds[c.set.kind(i)] || !c.split && flow != "all" ||
			c.paths && !strings.HasPrefix(name, "tenant="+e.tenant()+"/") {
			return fmt.Errorf("row %d is in the wrong folder: %s", rows, line)
		}
		c.seen[i/64].Or(1 << (i % 64))
	}
	c.rows.Add(rows)
	return lines.Err()
}

// row appends what is to be written of event i.
func (c *checker) row(dst []byte, i int) []byte {
	dst = c.set.append(dst, i)
	if c.join && c.set.kind(i) == load {
		if b, ok := c.set.beatOf(i); ok {
			dst = appendBeat(dst[:len(dst)-1], c.set.time(b))
		}
	}
	return dst
}

func plain(name string, r io.Reader) (io.Reader, error) {
	switch {
	case strings.HasSuffix(name, ".zst"):
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	case strings.HasSuffix(name, ".gz"):
		return gzip.NewReader(r)
	case strings.HasSuffix(name, ".s2"):
		return s2.NewReader(r), nil
	}
	return nil, errors.New("not a file of an output")
}
