package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/onceflow/onceflow/sink/internal/content"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Unit is what a target loads at once: the files and packs of a transaction, or the files of a sealed hour. Its fields are read only. It is safe
// for concurrent use.
type Unit struct {
	// ID is the name of the unit in this delivery: letters, digits, '-', '_' and '.', at most 200. No other unit ever has it,
	// also of a job that was begun anew under the same name.
	ID string

	Delivery, Job string
	After         Cursor // the cursor on which the unit builds
	Cursor        Cursor // and the one that is right once it is loaded

	// Attempt is 0, or the number of the attempt to load a unit that was parked.
	Attempt int

	// Files are those of the flows that are delivered, ordered by key. None has dead letters or notes.
	Files []manifest.File

	// Packs have rows of merged flows, ordered by key. A unit has none unless Options.Decoded is set, and none of a sealed hour. Rows
	// yields their rows behind those of Files.
	Packs []manifest.Pack

	content *content.Reader
	seen    time.Time // when this process met it
}

// unitID is the ID of a unit whose cursor is c.
func unitID(delivery string, c Cursor) string {
	ledger := c.Ledger[:min(len(c.Ledger), 16)]
	if c.Hour.IsZero() {
		return fmt.Sprintf("%s-%s-e%d", delivery, ledger, c.Entry)
	}
	return fmt.Sprintf("%s-%s-h%s", delivery, ledger, c.Hour.UTC().Format("20060102T1504"))
}

// Rows are the rows of all files and packs.
func (u *Unit) Rows() (n int64) {
	for i := range u.Files {
		n += u.Files[i].Rows
	}
	for i := range u.Packs {
		n += u.Packs[i].Rows
	}
	return n
}

// Bytes are the bytes of all files and packs, compressed.
func (u *Unit) Bytes() (n int64) {
	for i := range u.Files {
		n += u.Files[i].Length
	}
	for i := range u.Packs {
		n += u.Packs[i].Length
	}
	return n
}

// empty reports whether the unit has no rows to load.
func (u *Unit) empty() bool { return len(u.Files) == 0 && len(u.Packs) == 0 }

// Open reads a file of the unit as it lies in the store. At its end it is compared with the manifest: a file that has other bytes
// ends with an error, and not with io.EOF. An error says nothing of the target.
func (u *Unit) Open(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	return u.content.File(ctx, f)
}

// Text is Open with what the file holds before compression, by the extension of its key.
func (u *Unit) Text(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	return u.content.Text(ctx, f)
}

// Unpack reads the rows of a pack, of all keys, as a file of them would have them before compression: behind one header, if the
// format has one. They are compared with the manifest. If the pack was deleted, since its hour was sealed long ago, the error
// ends the delivery.
func (u *Unit) Unpack(ctx context.Context, p *manifest.Pack) (io.ReadCloser, error) {
	text, err := u.content.Pack(ctx, p)
	if err != nil {
		return nil, u.gone(err)
	}
	return &unpacked{text, u}, nil
}

// gone says what to do about a pack that is not there any more.
func (u *Unit) gone(err error) error {
	if e, ok := errors.AsType[*content.GoneError](err); ok {
		return &LedgerError{Delivery: u.Delivery, Why: fmt.Sprintf("%v. Entry %d cannot be delivered any more: deliver sealed hours (Options.Hourly), under another "+
			"name and into an empty target", e, u.Cursor.Entry)}
	}
	return err
}

// unpacked is the text of a pack.
type unpacked struct {
	io.ReadCloser
	unit *Unit
}

func (t *unpacked) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	return n, t.unit.gone(err)
}
