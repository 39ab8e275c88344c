package main

import (
	"bytes"
	"errors"
	"strconv"
	"time"
	"unsafe"

	"github.com/onceflow/onceflow/stream"
)

// event is what every variant decodes of a record: four of its fields, and the record's bytes, which are the row.
type event struct {
	id, view string
	kind     kind
	at       int64 // event time, Unix milliseconds
	beat     int64 // of the beat that was joined; 0 is none
	line     []byte
}

// kind is the index of an event's type in kinds.
type kind uint8

const (
	load kind = iota
	beat
	click
)

var kinds = [...]string{"load", "beat", "click", "view", "ad", "cart"}

func (e *event) time() time.Time { return time.UnixMilli(e.at).UTC() }
func (e *event) eventID() string { return e.id }
func (e *event) isLoad() bool    { return e.kind == load }
func (e *event) tenant() string  { return tenants[e.tenantNumber()] }
func (e *event) merge(b *event)  { e.beat = b.at }

// joinKey is empty for events that the join does not concern.
func (e *event) joinKey() string {
	if e.kind <= beat {
		return e.view
	}
	return ""
}

var errEvent = errors.New("not an event")

// parse decodes a record with a hand-written scanner. What it returns shares the record's bytes.
func parse(r *stream.Record) (event, error) { return decode(r.Value) }

// parsePending is parse for events that a join may hold for longer than their records live.
func parsePending(r *stream.Record) (event, error) {
	e, err := decode(r.Value)
	switch {
	case err != nil:
	case e.kind == load:
		return decode(bytes.Clone(r.Value))
	case e.kind == beat: // only its time and key are wanted later
		e.view, e.line = string([]byte(e.view)), nil
	}
	return e, err
}

// decode finds id, ts, type and view in an object without nested ones, in any order.
func decode(line []byte) (e event, err error) {
	e.line = line
	i, found := 0, 0
	for i < len(line) && (line[i] == '{' || line[i] == ',') {
		key, at := text(line, i+1)
		if at < 0 || at >= len(line) || line[at] != ':' {
			return e, errEvent
		}
		at++
		if at < len(line) && line[at] == '"' {
			value, end := text(line, at)
			if end < 0 {
				return e, errEvent
			}
			switch string(key) {
			case "id":
				e.id = share(value)
				found++
			case "view":
				e.view = share(value)
				found++
			case "type":
				for k, name := range kinds {
					if string(value) == name {
						e.kind = kind(k)
						found++
					}
				}
			}
			i = end
			continue
		}
		n := int64(0)
		for i = at; i < len(line) && line[i] != ',' && line[i] != '}'; i++ {
			n = n*10 + int64(line[i]-'0') // rubbish unless it is ts, which is an integer
		}
		if string(key) == "ts" {
			e.at = n
			found++
		}
	}
	if found != 4 || i >= len(line) || line[i] != '}' {
		return e, errEvent
	}
	return e, nil
}

// text returns the string that begins with the quote at line[i], and where it ends; -1 if it does not.
func text(line []byte, i int) ([]byte, int) {
	if i >= len(line) || line[i] != '"' {
		return nil, -1
	}
	for from := i + 1; ; {
		n := bytes.IndexByte(line[from:], '"')
		if n < 0 {
			return nil, -1
		}
		end := from + n
		if line[end-1] != '\\' { // no string here ends with a backslash
			return line[i+1 : end], end + 1
		}
		from = end + 1
	}
}

// share is a string of b's own bytes: good for as long as the record is.
func share(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendRow writes an event as it came, and into a load the time of its beat.
func appendRow(dst []byte, e *event) ([]byte, error) {
	if e.beat == 0 {
		return append(dst, e.line...), nil
	}
	dst = append(dst, e.line[:len(e.line)-1]...)
	return appendBeat(dst, e.beat), nil
}

// tenants are the values of a key, made once.
var tenants = func() (names [15000]string) {
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}()

// tenantNumber is made of the ID's first digits, evenly.
func (e *event) tenantNumber() int {
	n := 0
	for _, c := range []byte(e.id[:8]) {
		if n = n<<4 + int(c&15); c >= 'a' {
			n += 9
		}
	}
	return n % len(tenants)
}
