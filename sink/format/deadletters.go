package format

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/driver"
)

// DeadRow is a line of the dead-letter flow, as JSON: a record that could not be processed, and why. A key or value that is
// not UTF-8 is in the field that ends in _base64 instead. A null key or value is in neither.
type DeadRow struct {
	Source      string    `json:"source"`
	Epoch       string    `json:"epoch,omitempty"`
	Partition   string    `json:"partition"`
	Position    string    `json:"position"` // as the source's own tools print it: of Kafka the offset
	Stage       string    `json:"stage"`
	Error       string    `json:"error"`
	Read        time.Time `json:"read"`
	Time        time.Time `json:"time,omitzero"` // the record's own
	Key         *string   `json:"key,omitempty"`
	KeyBase64   string    `json:"key_base64,omitempty"`
	Value       *string   `json:"value,omitempty"`
	ValueBase64 string    `json:"value_base64,omitempty"`
}

// DeadLetters is the format of the dead-letter flow: each is a DeadRow on one line.
func DeadLetters() Format[driver.DeadLetter] {
	return Lines(".jsonl", func(dst []byte, d *driver.DeadLetter) ([]byte, error) {
		line, err := json.Marshal(deadRow(d))
		return append(dst, line...), err
	})
}

func deadRow(d *driver.DeadLetter) *DeadRow {
	rec := &d.Record
	row := &DeadRow{
		Position: cmp.Or(d.Position, rec.Position.String()), Stage: short(d.Stage), Read: representable(d.Read), Time: representable(rec.Time),
	}
	if p := rec.Partition; p != nil {
		row.Source, row.Epoch, row.Partition = short(p.Source), short(p.Epoch), short(p.ID)
	}
	if d.Err != nil {
		row.Error = short(d.Err.Error())
	}
	row.Key, row.KeyBase64 = textOrBase64(rec.Key)
	row.Value, row.ValueBase64 = textOrBase64(rec.Value)
	return row
}

// representable is t in UTC, or zero if JSON has no form for it.
func representable(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// short cuts what is too long to be read by people, such as a decoder's error that quotes its whole input.
func short(s string) string {
	const most = 4 << 10
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}

func textOrBase64(b []byte) (*string, string) {
	if b == nil {
		return nil, ""
	}
	if !utf8.Valid(b) {
		return nil, base64.StdEncoding.EncodeToString(b)
	}
	s := string(b)
	return &s, ""
}
