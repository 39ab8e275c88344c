package sink

import (
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/stream/driver"
)

// Store is an object store, or a folder: sink/file, sink/s3 and sink/gcs open one. Package sink/driver says what one must
// do.
type Store = storage.Store

// hopeless is an error that another try would only meet again: it matches driver.ErrStop.
type hopeless struct{ error }

func (e hopeless) Is(target error) bool { return target == driver.ErrStop }
func (e hopeless) Unwrap() error        { return e.error }
