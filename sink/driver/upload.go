package driver

import (
	"context"
	"io"
)

// Upload is a file being staged. It is not safe for concurrent use.
type Upload interface {
	// Write stages p and must not retain it. After an error the upload is of no use but for Abort.
	io.Writer

	// Close makes the staged file durable and returns what Publish needs in any process, at most 8 KiB. After an error
	// the upload is of no use but for Abort.
	Close(ctx context.Context) (ref []byte, err error)

	// Abort deletes the staged file. It is called instead of Close, or after it when the file is surely not named by
	// any entry. On an error the sweeper will do it.
	Abort(ctx context.Context) error
}

// Gatherer is an Upload that gathers bytes in memory before it sends them, such as the parts of a multipart upload. If it
// is told how many, the sink counts them in the job's budget and closes files early when there are too many.
type Gatherer interface {
	// Gathered is the number of bytes that the upload keeps in memory. It is called between calls of Write.
	Gathered() int64
}
