package stream

import "errors"

var (
	// ErrFenced means that another process has committed one of our lanes. The work since our last commit is void and
	// is done again by whoever owns the lane; no data is lost. The engine handles it, Run does not return it.
	ErrFenced = errors.New("stream: fenced by a newer commit")

	// ErrLost means that records the ledger needs are gone from the source: retention, truncation, a topic made again.
	// It needs a person; nothing was skipped.
	ErrLost = errors.New("stream: source lost records")
)
