package delivery

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/onceflow/onceflow/sink/internal/content"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Unit is what a target loads at once: the files of a transaction, or of a sealed hour. Its fields are read only. It is safe
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

// Rows are the rows of all files.
func (u *Unit) Rows() (n int64) {
	for i := range u.Files {
		n += u.Files[i].Rows
	}
	return n
}

// Bytes are the bytes of all files, compressed.
func (u *Unit) Bytes() (n int64) {
	for i := range u.Files {
		n += u.Files[i].Length
	}
	return n
}

// Open reads a file of the unit as it lies in the store. At its end it is compared with the manifest: a file that has other bytes
// ends with an error, and not with io.EOF. An error says nothing of the target.
func (u *Unit) Open(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	return u.content.File(ctx, f)
}

// Text is Open with what the file holds before compression, by the extension of its key.
func (u *Unit) Text(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	return u.content.Text(ctx, f)
}
