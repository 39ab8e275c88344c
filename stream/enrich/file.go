package enrich

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// OpenFile is Open for a file, which is parsed again when its size or its time of change is another one. Replace the
// file by renaming a complete one over it: a file that is read while it is written may parse as a shorter table.
func OpenFile[V any](ctx context.Context, path string, parse func(io.Reader) (V, error), opts *Options) (*Table[V], error) {
	if parse == nil {
		return nil, errors.New("enrich: a function that parses the file is required")
	}
	var size int64
	var changed time.Time
	return Open(ctx, func(context.Context) (v V, err error) {
		f, err := os.Open(path)
		if err != nil {
			return v, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return v, err
		}
		if info.Size() == size && info.ModTime().Equal(changed) {
			return v, ErrUnchanged
		}
		if v, err = parse(f); err != nil {
			return v, err
		}
		size, changed = info.Size(), info.ModTime()
		return v, nil
	}, opts)
}
