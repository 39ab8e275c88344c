package sink

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream"
)

// DeadRow is a line of the dead-letter flow, as JSON: a record that could not be processed, and why. A key or value that
// is not UTF-8 is in the field that ends in _base64 instead; both are absent for null.
type DeadRow struct {
	Source      string    `json:"source"`
	Epoch       string    `json:"epoch,omitempty"`
	Partition   string    `json:"partition"`
	Position    string    `json:"position"`
	Stage       string    `json:"stage"`
	Error       string    `json:"error"`
	Read        time.Time `json:"read"`
	Time        time.Time `json:"time,omitzero"` // the record's own
	Key         *string   `json:"key,omitempty"`
	KeyBase64   string    `json:"key_base64,omitempty"`
	Value       *string   `json:"value,omitempty"`
	ValueBase64 string    `json:"value_base64,omitempty"`
}

// deadExt is the extension of dead-letter files, which are JSON lines in gzip.
const deadExt = ".jsonl"

// reject adds dead letters to the folder of the hour at which they were read.
func (r *router[T]) reject(ctx context.Context, dead []stream.DeadLetter) error {
	for i := range dead {
		row := deadRow(&dead[i])
		if !when.Held(row.Read) {
			row.Read = when.Clamp(r.sink.keep.env.Now().UTC())
		}
		b := r.deadBuffer(row.Read)
		n := len(b.raw)
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		b.raw = append(append(b.raw, line...), '\n')
		b.rows++
		r.bytes += int64(len(b.raw) - n)
		b.count()
		if b.full() {
			if err := b.drain(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func deadRow(d *stream.DeadLetter) *DeadRow {
	rec := &d.Record
	row := &DeadRow{
		Position: rec.Position.String(), Stage: text(d.Stage), Read: representable(d.Read), Time: representable(rec.Time),
	}
	if p := rec.Partition; p != nil {
		row.Source, row.Epoch, row.Partition = text(p.Source), text(p.Epoch), text(p.ID)
	}
	if d.Err != nil {
		row.Error = text(d.Err.Error())
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

// text cuts what is too long to be read by people, such as a decoder's error that quotes its whole input.
func text(s string) string {
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

func (r *router[T]) deadBuffer(read time.Time) *buffer {
	hour := read.Truncate(r.sink.opts.Hour)
	b := r.dead[hour.Unix()]
	if b == nil {
		w := r.sink.deadWriter
		path := flowFolder(r.sink.opts.Prefix, deadFolder, ledger.DeadFile, hour, r.sink.opts.Hour)
		d := folder{flow: deadFolder, kind: ledger.DeadFile, hour: hour, path: string(path), ext: w.ext}
		b = r.lot.open(r.set.open(d), w, noHeader{})
		r.dead[hour.Unix()] = b
	}
	return b
}

type noHeader struct{}

func (noHeader) Header(dst []byte) []byte { return dst }
