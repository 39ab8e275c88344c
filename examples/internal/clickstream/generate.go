// Package clickstream makes the input of the quickstart.
package clickstream

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A generated clickstream is what four web servers would have logged: visitors with sessions, who view pages and click
// on them. Lines are in the order of arrival, up to two minutes behind the event; some are broken. The same seed gives
// the same bytes.
const (
	Partitions = 4 // files, which the quickstart reads as partitions

	span       = 3 * time.Hour
	disorder   = 2 * time.Minute
	brokenEach = 10_000 // events
)

var start = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

// Generate makes the clickstream in dir unless it is there. It appears whole or not at all, so a killed run leaves no
// half of it behind, and two runs at once make the same.
func Generate(dir string, seed uint64, events int) error {
	params, err := json.Marshal(map[string]any{"seed": seed, "events": events})
	if err != nil {
		return err
	}
	switch old, err := os.ReadFile(filepath.Join(dir, paramsFile)); {
	case err == nil && string(old) == string(params):
		return nil
	case err == nil:
		return fmt.Errorf("%s holds a clickstream made with %s, not %s: delete it, or choose another -out", dir, old, params)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o777); err != nil {
		return err
	}
	if err := writeClicks(tmp, seed, events); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, paramsFile), params, 0o666); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, made := os.Stat(filepath.Join(dir, paramsFile)); made == nil {
			return nil // by another run, meanwhile
		}
		return fmt.Errorf("%w: is there something else?", err)
	}
	return nil
}

// paramsFile begins with an underscore, so that the source leaves it out.
const paramsFile = "_clickstream.json"

func writeClicks(dir string, seed uint64, events int) (err error) {
	var parts [Partitions]*partition
	for i := range parts {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("clicks-%d.ndjson", i)))
		if err != nil {
			return err
		}
		defer f.Close()
		parts[i] = &partition{w: bufio.NewWriterSize(f, 256<<10)}
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	crowd := newCrowd(rnd)
	for i := range events {
		x := float64(i) / float64(events)
		at := start.Add(time.Duration((x + math.Sin(4*math.Pi*x)/(8*math.Pi)) * float64(span))) // busier and quieter times
		c := crowd.next()
		p := parts[c.visitor.number%Partitions]
		arrival := at.Add(delay(rnd))
		p.passed(at)
		p.add(arrival, func(b []byte) []byte { return c.append(b, at, i) })
		if i%brokenEach == brokenEach/2 {
			p.add(arrival, func(b []byte) []byte { return appendBroken(b, i/brokenEach) })
		}
	}
	for _, p := range parts {
		p.passed(start.Add(span + 2*disorder))
		if err := p.w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// delay is how long an event takes to arrive: mostly a moment, for some who were offline up to two minutes.
func delay(rnd *rand.Rand) time.Duration {
	if rnd.IntN(20) == 0 {
		return time.Duration(rnd.Int64N(int64(disorder)))
	}
	return min(time.Duration(rnd.ExpFloat64()*float64(800*time.Millisecond)), disorder)
}

// partition collects lines by the second of their arrival until no earlier one can come.
type partition struct {
	w       *bufio.Writer
	second  int64 // the first that is not written
	seconds [2*int64(disorder/time.Second) + 2][]byte
}

func (p *partition) add(arrival time.Time, line func([]byte) []byte) {
	b := &p.seconds[arrival.Unix()%int64(len(p.seconds))]
	*b = line(*b)
}

// passed writes what arrived before at.
func (p *partition) passed(at time.Time) {
	if p.second == 0 {
		p.second = at.Unix()
	}
	for ; p.second < at.Unix(); p.second++ {
		b := &p.seconds[p.second%int64(len(p.seconds))]
		p.w.Write(*b) // its first error is what Flush returns
		*b = (*b)[:0]
	}
}

// appendBroken makes lines that must not stop anything: each is to end in the dead-letter flow.
func appendBroken(b []byte, i int) []byte {
	lines := []string{
		`{"id":"broken-%d","time":"2025-05-01T06:00:00Z","kind":"vi`,                 // cut off
		`GET /favicon.ico HTTP/1.1 %d`,                                               // another log
		`{"id":"broken-%d","kind":"view","page":"/"}`,                                // no time
		`{"id":"broken-%d","time":"yesterday","kind":"view","page":"/"}`,             // no time either
		`{"id":"broken-%d","time":"1970-01-01T00:00:00Z","kind":"view","page":"/"}`,  // a clock that was never set
		`{"id":"broken-%d","time":"2199-01-01T00:00:00Z","kind":"click","page":"/"}`, // or set wrong
		"\x00\xff\xfe%d", // not even text
	}
	return append(fmt.Appendf(b, lines[i%len(lines)], i), '\n')
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, value...) // holds nothing that JSON would escape
	return append(b, '"')
}

// append appends the event's line. It is written by hand because a million of them should take a second.
func (c *action) append(b []byte, at time.Time, id int) []byte {
	b = append(b, `{"id":"`...)
	b = strconv.AppendUint(b, uint64(id)*0x9e3779b97f4a7c15, 36)
	b = append(b, `","time":"`...)
	b = at.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, '"')
	b = appendField(b, "kind", c.kind)
	b = append(b, `,"visitor":"v`...)
	b = strconv.AppendInt(b, int64(c.visitor.number), 10)
	b = append(b, `","session":"s`...)
	b = strconv.AppendInt(b, int64(c.visitor.session), 10)
	b = append(b, '"')
	b = appendField(b, "page", c.page)
	b = appendField(b, "referrer", c.referrer)
	b = appendField(b, "country", c.visitor.country)
	b = appendField(b, "agent", c.visitor.agent)
	b = append(b, `,"ms":`...)
	b = strconv.AppendInt(b, int64(c.ms), 10)
	return append(b, "}\n"...)
}
