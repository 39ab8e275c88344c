package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// ID names a batch: 48 bits of milliseconds since 1970, then 80 random bits, as a ULID has them
// (https://github.com/ulid/spec). IDs sort by the time at which their batches were begun, as bytes and as text.
type ID [16]byte

// idDigits are those of Crockford's base 32, in lower case.
const idDigits = "0123456789abcdefghjkmnpqrstvwxyz"

// digits are the values of idDigits; 0xff for what is none.
var digits = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i := range len(idDigits) {
		values[idDigits[i]] = byte(i)
	}
	return values
}()

// The lengths of an ID as bytes and as text.
const (
	idBytes = len(ID{})
	idText  = 26
)

// NewID makes an ID of the time at, to the millisecond. at must be between 1970 and 9999.
func NewID(at time.Time) (id ID) {
	_, _ = rand.Read(id[6:]) // it never fails: see there
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint16(id[:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	return id
}

// FirstID is the smallest ID of a time, to the millisecond, for registries that look for those of a window.
func FirstID(at time.Time) (id ID) {
	if at.After(time.UnixMilli(0)) {
		id = NewID(at)
		clear(id[6:])
	}
	return id
}

// Time is when the batch was begun, in UTC, to the millisecond.
func (id ID) Time() time.Time { return time.UnixMilli(id.milli()).UTC() }

func (id ID) milli() int64 {
	return int64(binary.BigEndian.Uint16(id[:]))<<32 | int64(binary.BigEndian.Uint32(id[2:]))
}

// valid reports whether folders can have a name of the ID's time.
func (id ID) valid() bool { return when.Fits(id.Time()) }

// Compare orders IDs by time.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// String returns 26 digits of base 32.
func (id ID) String() string { return string(id.append(nil)) }

func (id ID) append(dst []byte) []byte {
	hi, lo := binary.BigEndian.Uint64(id[:]), binary.BigEndian.Uint64(id[8:])
	var text [idText]byte
	for i := idText - 1; i >= 0; i-- {
		text[i] = idDigits[lo&31]
		lo, hi = lo>>5|hi<<59, hi>>5
	}
	return append(dst, text[:]...)
}

// ParseID reads what String has made.
func ParseID(s string) (id ID, err error) {
	id, ok := parseID([]byte(s))
	if !ok {
		return ID{}, fmt.Errorf("audit: %.40q is not the ID of a batch", s)
	}
	if !id.valid() {
		return ID{}, fmt.Errorf("audit: the ID %s is of the year %d", s, id.Time().Year())
	}
	return id, nil
}

// parseID is ParseID without a look at the time.
func parseID(text []byte) (id ID, ok bool) {
	if len(text) != idText || text[0] > '7' {
		return ID{}, false
	}
	var hi, lo uint64
	for _, c := range text {
		d := digits[c]
		if d == 0xff {
			return ID{}, false
		}
		hi, lo = hi<<5|lo>>59, lo<<5|uint64(d)
	}
	binary.BigEndian.PutUint64(id[:], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id, true
}

// MarshalText returns what String does.
func (id ID) MarshalText() ([]byte, error) { return id.append(nil), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}
