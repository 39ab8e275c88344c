package audit

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func packed(t testing.TB, events ...Event) []byte {
	t.Helper()
	var body []byte
	for i := range events {
		body = appendEvent(body, &events[i])
	}
	object, err := packBatch(body, len(events))
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestABatchIsReadAsItWasWritten(t *testing.T) {
	id := NewID(time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC))
	events := []Event{
		{Value: []byte("plain")},
		{Key: []byte{}, Value: []byte{}},
		{Key: []byte("k"), Value: bytes.Repeat([]byte("v"), 300), Time: time.Date(2025, 5, 1, 11, 0, 0, 123_456_000, time.UTC)},
		{Value: []byte("line\nbreak\x00"), Time: time.Date(1969, 5, 1, 11, 0, 0, 0, time.UTC)},
	}
	lines, err := unpackBatch(id, packed(t, events...))
	if err != nil || len(lines) != len(events) {
		t.Fatalf("got %v, %v", lines, err)
	}
	for i, l := range lines {
		if want := (Line{Mark{id, i + 1}, events[i]}); !reflect.DeepEqual(l, want) {
			t.Errorf("line %d is %#v, want %#v", i+1, l, want)
		}
	}
}

// An event of the first instant of 1970 once came back without a time.
func TestAnEventOf1970KeepsATime(t *testing.T) {
	lines, err := unpackBatch(ID{}, packed(t, Event{Time: time.Unix(0, 0)}))
	if err != nil || !lines[0].Event.Time.Truncate(time.Millisecond).Equal(time.Unix(0, 0)) {
		t.Errorf("got %v, %v", lines, err)
	}
}

func TestADamagedBatchIsNoBatch(t *testing.T) {
	var events []Event
	for i := range 50 {
		events = append(events, Event{Key: fmt.Append(nil, i), Value: fmt.Append(nil, "value ", i*i)})
	}
	object := packed(t, events...)
	whole, err := unpackBatch(ID{}, object)
	if err != nil {
		t.Fatal(err)
	}
	for i := range object {
		broken := bytes.Clone(object)
		broken[i] ^= 0x10
		if lines, err := unpackBatch(ID{}, broken); err == nil && !reflect.DeepEqual(lines, whole) { // a frame has bits that mean nothing
			t.Errorf("with byte %d changed it has the lines %v", i, lines)
		} else if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("with byte %d changed: %v, want ErrDamaged", i, err)
		}
		if _, err := unpackBatch(ID{}, object[:i]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut after %d bytes: %v, want ErrDamaged", i, err)
		}
	}
	body := appendEvent(nil, &events[0])
	for n, wrong := range [][]byte{body[:len(body)-1], append(bytes.Clone(body), 1), nil} {
		if lines, err := parseLines(ID{}, wrong, 1); !errors.Is(err, ErrDamaged) {
			t.Errorf("case %d: %v, %v", n, lines, err)
		}
	}
}
