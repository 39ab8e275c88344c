package delivery

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cursor is how far a delivery has got. The zero Cursor is the beginning. A target that keeps one stores its text, and
// compares texts: equal cursors have equal texts.
type Cursor struct {
	Ledger string    // sink.Tail.Ledger, so that another ledger is not taken for this one
	Entry  uint64    // the transaction that was delivered last; of an hour the entry that closed it
	Hour   time.Time // start of the hour that was delivered last; zero if transactions are delivered
}

// IsZero reports whether nothing was delivered yet.
func (c Cursor) IsZero() bool { return c.Ledger == "" }

// Equal reports whether two cursors are the same.
func (c Cursor) Equal(o Cursor) bool {
	return c.Ledger == o.Ledger && c.Entry == o.Entry && c.Hour.Equal(o.Hour)
}

// String is the text of a cursor: "" if it is zero, else such as "3f0a/entry=17" or "3f0a/entry=17/hour=2025-05-01T06:00:00Z".
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	s := c.Ledger + "/entry=" + strconv.FormatUint(c.Entry, 10)
	if !c.Hour.IsZero() {
		s += "/hour=" + c.Hour.UTC().Format(time.RFC3339)
	}
	return s
}

// ParseCursor reads what Cursor.String wrote.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	var c Cursor
	var err error
	parts := strings.Split(s, "/")
	c.Ledger = parts[0]
	for _, p := range parts[1:] {
		if entry, ok := strings.CutPrefix(p, "entry="); ok && err == nil {
			c.Entry, err = strconv.ParseUint(entry, 10, 64)
		} else if hour, ok := strings.CutPrefix(p, "hour="); ok && err == nil {
			c.Hour, err = time.Parse(time.RFC3339, hour)
		}
	}
	if err != nil || c.String() != s {
		return Cursor{}, fmt.Errorf("delivery: %.200q is not the text of a cursor", s)
	}
	return c, nil
}

// MarshalText is String.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCursor.
func (c *Cursor) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCursor(string(text))
	return err
}

// behind reports whether c is before o in the same ledger.
func (c Cursor) behind(o Cursor) bool {
	if c.IsZero() {
		return !o.IsZero()
	}
	if !c.Hour.IsZero() && !c.Hour.Equal(o.Hour) {
		return c.Hour.Before(o.Hour) // a Close may be of many hours
	}
	return c.Entry < o.Entry
}
