package files

import (
	"fmt"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/record"
)

// NoteExt is the extension of files of notes, before that of the codec.
const NoteExt = ".note"

// noteHour is where notes go.
type noteHour struct {
	name string
	hour int64 // start, in seconds since 1970
}

// Note adds notes of a lane, whose names the caller has checked. They wait in memory until the Set is finished. No worker may be writing.
func (ws *Writers[T]) Note(notes []record.Note) error {
	if len(notes) == 0 {
		return nil
	}
	w, err := ws.worker(0)
	if err != nil {
		return err
	}
	for i := range notes {
		if err := w.note(&notes[i]); err != nil {
			return err
		}
	}
	w.report()
	return nil
}

func (w *worker[T]) note(n *record.Note) error {
	if !when.Fits(n.Time) || n.Rows < 1 {
		return fmt.Errorf("sink: notes %q of %d rows at %s cannot be written", n.Name, n.Rows, n.Time)
	}
	hour := n.Time.UTC().Truncate(w.pool.cfg.Layout.Hour)
	at := noteHour{n.Name, hour.Unix()}
	b := w.notes[at]
	if b == nil {
		b = w.open(n.Name, Note, hour, nil, w.pool.notes, noHeader{})
		w.notes[at] = b
	}
	b.raw, b.rows = append(b.raw, n.Body...), b.rows+n.Rows
	b.count()
	return nil
}

// noHeader begins a file with nothing.
type noHeader struct{}

// Header appends nothing.
func (noHeader) Header(dst []byte) []byte { return dst }
