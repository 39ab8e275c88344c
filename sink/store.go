package sink

import (
	storage "github.com/onceflow/onceflow/sink/driver"
)

// Store is an object store, or a folder: sink/file, sink/s3 and sink/gcs open one. Package sink/driver says what one must
// do.
type Store = storage.Store
