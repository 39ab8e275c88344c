package driver

import "errors"

var (
	// ErrFenced means that another process has committed one of our lanes. The work since our last commit is void and
	// is done again by whoever owns the lane; no data is lost. The engine handles it, Run does not return it.
	ErrFenced = errors.New("stream: fenced by a newer commit")

	// ErrStop means that waiting does not help and that a person has to act. An error of an Output or Txn that matches it
	// ends the job at once: a ledger that is damaged or of a newer version, a staged file that is gone. So does one that
	// matches ErrLost. Every other error is taken for an outage, for who knows how long: the engine tries again, pauses
	// between, and says so in its log and in Status.Stalled. A permission that somebody took away is one, too: it comes back
	// as it went, and a job that has ended would not know.
	ErrStop = errors.New("stream: a person has to act")

	// ErrLost means that records the ledger needs are gone from the source: retention, truncation, a topic made again.
	// It needs a person; nothing was skipped.
	ErrLost = errors.New("stream: source lost records")
)
