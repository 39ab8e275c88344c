package stream

import (
	"github.com/onceflow/onceflow/stream/internal/several"
)

// Sources makes one source of several, with other topics, speeds and numbers of partitions: clusters of Kafka, streams of
// Kinesis, folders of files. They are read side by side in one job, which has one ledger. Close closes them all.
//
// The names are fixed for as long as the job lives, since lanes and partitions have them. A name has 1 to 20 lower-case
// letters, digits and dashes, and begins with a letter. The name "" is for the source that a job read alone before: its
// partitions keep their names, so the job goes on where it was. It cannot leave, nor join a job that began without it. To add
// a source, to remove one whose partitions are over or retired, or to give a name to another cluster, raise
// sink.Options.Generation. Folders all have the same ID, so nobody notices if the names of two are swapped: do not.
//
// One source that is away does not stop the others. Meanwhile no hour closes, since nobody knows which partitions it has,
// and Status.Stalled names it. A process that starts needs all of them, and a Kafka source whose stall lasts longer than
// its GiveUp ends the process: disable that for a cluster that may be away for long.
//
// Each source has lanes of its own, so records of two sources never meet in a stage that sees one lane at a time, such as a
// join: Run refuses it unless Options.KeysInLanes says that no key is in both.
func Sources(byName map[string]Source) (Source, error) {
	s, err := several.New(byName)
	if err != nil {
		return nil, err
	}
	return s, nil
}
