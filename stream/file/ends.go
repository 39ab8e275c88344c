package file

import (
	"context"
	"os"
	"sync"

	"github.com/onceflow/onceflow/stream/record"
)

// mark is the end of a file as it was read: after size bytes, with nothing left over, at a position.
type mark struct {
	path string
	info os.FileInfo // tells which file it was
	size int64
	at   record.Position
}

// ends are those of the files that were read to their end. It is safe for concurrent use.
type ends struct {
	mu    sync.Mutex
	marks map[record.Partition]mark
}

// prove looks at each file's size now: the log ends at the position if that is where the file was read to its end, and
// not a byte has come since. A last line without its newline is to come, so it proves nothing.
func (e *ends) prove(ctx context.Context, at map[record.Partition]record.Position) (proved []record.Partition, err error) {
	for p, pos := range at {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e.mu.Lock()
		m, ok := e.marks[p]
		e.mu.Unlock()
		if !ok || m.at != pos {
			continue
		}
		if info, err := os.Stat(m.path); err == nil && info.Size() == m.size && os.SameFile(info, m.info) {
			proved = append(proved, p)
		}
	}
	return proved, nil
}

// mark remembers that the lane's file was read to its end.
func (e *ends) mark(l *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.marks[*l.part] = mark{l.file.path, l.r.in.Info, l.r.in.Size(), record.Position{Sub: l.r.last}}
}

// unmark forgets it.
func (e *ends) unmark(l *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.marks, *l.part)
}
