package driver

import "errors"

var (
	// ErrFenced means that another process has committed one of our lanes. The work since our last commit is void and
	// is done again by whoever owns the lane; no data is lost. The engine handles it, Run does not return it.
	ErrFenced = errors.New("stream: fenced by a newer commit")

	// ErrStop means that waiting does not help and a person has to act. An error of an Output or Txn that matches it ends
	// the job at once: a ledger that is damaged or of a newer version, a staged file that is gone. So does one that matches
	// ErrLost. The engine takes every other error for an outage of unknown length: it tries again, pauses between tries,
	// and reports it in the log and in Status.Stalled. A missing permission is an outage, too: somebody may grant it again,
	// and a job that has ended would not notice.
	ErrStop = errors.New("stream: a person has to act")

	// ErrLost means that records the ledger needs are gone from the source: retention, truncation, a topic made again.
	// It needs a person; nothing was skipped.
	ErrLost = errors.New("stream: source lost records")
)
