package file

import (
	"bytes"
	"log/slog"

	"github.com/onceflow/onceflow/stream/record"
)

// heading is the header of a file.
type heading struct {
	read   bool            // or there is none
	header []record.Header // as each record carries it
	log    *slog.Logger
	told   bool // that it came again
}

// again reports whether a record is the header once more, as where files were put together. With one column it could be a
// value.
func (h *heading) again(r *reader, value []byte) bool {
	if len(h.header) == 0 || !bytes.Equal(value, h.header[0].Value) || bytes.IndexByte(value, r.rules.Comma) < 0 {
		return false
	}
	if !h.told {
		h.told = true
		h.log.Warn("a file has its header more than once; the others are no records", "file", r.in.Path, "line", r.line)
	}
	return true
}
