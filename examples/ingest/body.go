package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

// body is the body of a request, and the events in it, which share its bytes.
type body struct {
	bytes.Buffer
	events []audit.Event
}

var bodies = sync.Pool{New: func() any { return new(body) }}

var errTooLarge = errors.New("too large")

// event is what an endpoint and a job look at in a line.
type event struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`

	line []byte
}

func (e *event) id() string      { return e.ID }
func (e *event) time() time.Time { return e.At }

// parseEvent reads a line. What a job could not read must not be accepted.
func parseEvent(line []byte) (e event, err error) {
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	if e.ID == "" || e.At.IsZero() {
		return e, errors.New("an event needs an id and a time at")
	}
	return e, nil
}

func (b *body) read(r io.Reader) error {
	b.Reset()
	_, err := b.ReadFrom(r)
	return err
}

// parse cuts the lines of a body, which are most at most. The error names the first line that is wrong.
func (b *body) parse(most int) error {
	b.events = b.events[:0]
	rest := b.Bytes()
	for n := 1; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		switch {
		case len(line) == 0:
			continue
		case len(line) > mostLine:
			return fmt.Errorf("line %d has %d bytes, at most %d are taken: %w", n, len(line), mostLine, errTooLarge)
		case len(b.events) == most:
			return fmt.Errorf("more than %d lines: %w", most, errTooLarge)
		}
		e, err := parseEvent(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		b.events = append(b.events, audit.Event{Key: []byte(e.ID), Value: line, Time: e.At})
	}
	if len(b.events) == 0 {
		return errors.New("no events")
	}
	return nil
}
