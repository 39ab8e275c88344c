package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/sink/audit"
)

// Event times that an endpoint accepts, by its own clock. A job would make dead letters of what is beyond its bounds, long after the
// client was told that it is accepted. Its bounds are wider by how much clocks may differ, and how long a line may be on its way.
const (
	mostAhead  = 50 * time.Minute // brokers of Kafka take an hour, as does the job
	mostBehind = 24 * time.Hour   // the job knows IDs for so long more

	clocksDiffer = 10 * time.Minute
	onItsWay     = 7 * 24 * time.Hour
)

// body is the body of a request, and the events in it, which share its bytes. What it has in memory it takes from a budget.
type body struct {
	text   []byte
	events []audit.Event

	budget *budget
	taken  int64 // of the budget
	spare  int64 // of what is taken
}

// What a body has in memory for an event: an audit.Event, and the ID as text and as key with what an allocation rounds up.
const eventBytes = 72 + 2*16

// firstBytes is what a body has before anything has come, and keptBytes what it keeps for another request at most.
const (
	firstBytes = 8 << 10
	keptBytes  = 128 << 10
)

var bodies = sync.Pool{New: func() any { return new(body) }}

// newBody returns an empty body that takes memory from a budget; nil if nothing is left of that.
func newBody(from *budget) *body {
	b := bodies.Get().(*body)
	b.budget = from
	if !b.charge(int64(cap(b.text)) + int64(cap(b.events))*eventBytes) {
		bodies.Put(b)
		return nil
	}
	return b
}

// free gives everything back.
func (b *body) free() {
	b.budget.give(b.taken)
	b.taken, b.spare = 0, 0
	clear(b.events) // they have keys
	b.text, b.events = b.text[:0], b.events[:0]
	if cap(b.text)+cap(b.events)*eventBytes <= keptBytes {
		bodies.Put(b)
	}
}

// charge takes n bytes from the budget, many small ones together.
func (b *body) charge(n int64) bool {
	if b.spare < n {
		more := max(n, 4<<10)
		if !b.budget.take(more) {
			return false
		}
		b.taken, b.spare = b.taken+more, b.spare+more
	}
	b.spare -= n
	return true
}

// give gives n bytes back.
func (b *body) give(n int64) {
	b.budget.give(n)
	b.taken -= n
}

var (
	errTooLarge = errors.New("too large")
	errNoRoom   = errors.New("too many bodies are under way")
)

// read reads a body of at most mostBody bytes. It has memory for twice what has come, not for what a client says will come.
func (b *body) read(r io.Reader) error {
	for {
		if len(b.text) == cap(b.text) {
			if err := b.grow(); err != nil {
				return err
			}
		}
		n, err := r.Read(b.text[len(b.text):cap(b.text)])
		b.text = b.text[:len(b.text)+n]
		switch {
		case len(b.text) > mostBody:
			return bodyTooLarge("more than")
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// bodyTooLarge is the error of a body of that many bytes.
func bodyTooLarge(has string) error {
	return fmt.Errorf("the body has %s %d bytes, which are the most that are taken: %w", has, mostBody, errTooLarge)
}

func (b *body) grow() error {
	old := cap(b.text)
	next := min(max(firstBytes, 2*old), mostBody+1)
	if !b.charge(int64(next)) {
		return errNoRoom
	}
	b.text = append(make([]byte, 0, next), b.text...)
	b.give(int64(old))
	return nil
}

// event is what an endpoint and a job look at in a line.
type event struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`

	line []byte
}

func (e *event) id() string      { return e.ID }
func (e *event) time() time.Time { return e.At }

// parseEvent reads a line. What a job could not read must not be accepted. Nor must an ID be taken whose bytes are no text: a decoder
// of JSON puts U+FFFD in their place, so that two events of different IDs become copies of each other, one of which dedup drops.
func parseEvent(line []byte) (e event, err error) {
	if !utf8.Valid(line) {
		return e, errors.New("it is not in UTF-8")
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	switch {
	case e.ID == "" || e.At.IsZero():
		return e, errors.New("an event needs an id and a time at")
	case strings.ContainsRune(e.ID, utf8.RuneError): // also what "\ud800" becomes
		return e, errors.New("the id has U+FFFD, or half of a surrogate pair, in place of what could not be decoded")
	}
	return e, nil
}

// check says what is wrong with the time of an event that comes now.
func (e *event) check(now time.Time) error {
	switch {
	case e.At.After(now.Add(mostAhead)):
		return fmt.Errorf("at is more than %s after the clock of the endpoint, %s", mostAhead, now.UTC().Format(time.RFC3339))
	case e.At.Before(now.Add(-mostBehind)):
		return fmt.Errorf("at is more than %d hours before the clock of the endpoint, %s", mostBehind/time.Hour, now.UTC().Format(time.RFC3339))
	}
	return nil
}

// refusal names a line that is refused, by what can be read of it.
func refusal(n int, e *event, err error) string {
	s := fmt.Sprintf("line %d", n)
	if e.ID != "" {
		s += fmt.Sprintf(", id %.100q", e.ID)
	}
	if !e.At.IsZero() {
		s += ", at " + e.At.Format(time.RFC3339Nano)
	}
	return s + ": " + err.Error()
}

// mostNamed is how many lines an answer names that are refused.
const mostNamed = 10

// parse cuts the lines of a body that came at a time, of which it takes most at most. The error names lines that are wrong.
func (b *body) parse(most int, now time.Time) error {
	rest := b.text
	var wrong []string
	for n := 1; len(rest) > 0 && len(wrong) < mostNamed; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		switch {
		case len(line) == 0:
			continue
		case len(line) > mostLine:
			return fmt.Errorf("line %d has %d bytes, at most %d are taken: %w", n, len(line), mostLine, errTooLarge)
		case len(b.events) == most:
			return fmt.Errorf("the body has more than %d lines, which are the most that are taken: %w", most, errTooLarge)
		}
		e, err := parseEvent(line)
		if err == nil {
			err = e.check(now)
		}
		if err != nil {
			wrong = append(wrong, refusal(n, &e, err))
			continue
		}
		if err := b.add(&e, line); err != nil {
			return err
		}
	}
	switch {
	case len(wrong) == mostNamed:
		return fmt.Errorf("%s\nmore lines may be wrong", strings.Join(wrong, "\n"))
	case len(wrong) > 0:
		return errors.New(strings.Join(wrong, "\n"))
	case len(b.events) == 0:
		return errors.New("no events")
	}
	return nil
}

func (b *body) add(e *event, line []byte) error {
	need := 2 * int64(len(e.ID))
	if old := cap(b.events); len(b.events) == old {
		next := max(64, 2*old)
		if !b.charge(int64(next) * eventBytes) {
			return errNoRoom
		}
		b.events = append(make([]audit.Event, 0, next), b.events...)
		b.give(int64(old) * eventBytes)
	}
	if !b.charge(need) {
		return errNoRoom
	}
	b.events = append(b.events, audit.Event{Key: []byte(e.ID), Value: line, Time: e.At})
	return nil
}
