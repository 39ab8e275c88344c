package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream/record"
)

// Manifest reads the manifest of an entry. The error matches fs.ErrNotExist if there is none yet.
func (o *Objects) Manifest(ctx context.Context, id uint64) (*manifest.Transaction, error) {
	m := new(manifest.Transaction)
	key := o.Root + ledger.ManifestName(id)
	if err := o.decode(ctx, key, &m.Format, m); err != nil {
		return nil, err
	}
	if m.Entry != id {
		return nil, &ledger.CorruptError{Object: key, Reason: fmt.Sprintf("it is of entry %d", m.Entry)}
	}
	return m, nil
}

// Hour reads the manifest of an hour of some length. The error matches fs.ErrNotExist if there is none yet.
func (o *Objects) Hour(ctx context.Context, hour time.Time, length time.Duration) (*manifest.Hour, error) {
	m := new(manifest.Hour)
	key := o.Root + ledger.HourName(hour, length)
	if err := o.decode(ctx, key, &m.Format, m); err != nil {
		return nil, err
	}
	if !m.Hour.Equal(hour) {
		return nil, &ledger.CorruptError{Object: key, Reason: fmt.Sprintf("it is of the hour %s", m.Hour)}
	}
	return m, nil
}

// decode reads a manifest. Unknown fields are those of a newer version that can still be read.
func (o *Objects) decode(ctx context.Context, key string, format *int, v any) error {
	body, err := o.Store.Read(ctx, key, manifest.MaxBytes)
	if err != nil {
		return err
	}
	switch err := json.Unmarshal(body, v); {
	case err != nil:
		return &ledger.CorruptError{Object: key, Reason: err.Error()}
	case *format < 1:
		return &ledger.CorruptError{Object: key, Reason: fmt.Sprintf("format %d", *format)}
	case *format > manifest.PackFormat:
		return &ledger.VersionError{Object: key, Format: *format, MinReader: *format}
	}
	return nil
}

// EncodeManifest returns the object of a manifest.
func EncodeManifest(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return append(body, '\n'), nil
}

// Public are files, but for packs, as readers see them.
func Public(files []ledger.File) []manifest.File {
	out := make([]manifest.File, 0, len(files))
	for i := range files {
		if f := &files[i]; f.Kind != ledger.PackFile {
			out = append(out, manifest.File{
				Flow: f.Flow, Kind: manifest.Kind(f.Kind), Hour: f.Hour, Key: f.Key, Offset: f.Offset, Length: f.Length, Rows: f.Rows,
				CRC32C: fmt.Sprintf("%08x", f.CRC32C),
			})
		}
	}
	return out
}

// Packs are the packs among files, as readers see them; nil if there are none.
func Packs(files []ledger.File) (out []manifest.Pack) {
	for i := range files {
		if f := &files[i]; f.Kind == ledger.PackFile {
			out = append(out, manifest.Pack{
				Flow: f.Flow, Hour: f.Hour, Key: f.Key, Length: f.Length, Rows: f.Rows, CRC32C: fmt.Sprintf("%08x", f.CRC32C),
				Contents: manifest.Contents{Offset: f.Contents.Offset, Length: f.Contents.Length, CRC32C: fmt.Sprintf("%08x", f.Contents.CRC32C)},
			})
		}
	}
	return out
}

// CountsByName are counts that are not 0.
func CountsByName(c record.Counts) map[string]int64 {
	m := map[string]int64{}
	for i, n := range c {
		if n != 0 {
			m[record.Fate(i).String()] = n
		}
	}
	return m
}
