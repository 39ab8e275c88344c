package driver

import (
	"fmt"
	"strconv"
)

// Keys says which lanes can have records with equal keys. Stages that bring such records together, such as a join or a
// count, see one lane at a time.
type Keys uint8

const (
	// KeysAnywhere is for a source that knows nothing of keys, such as files. Any two lanes may have records with equal
	// keys.
	KeysAnywhere Keys = iota

	// KeysByCount is for a source whose producers choose the partition by the key and the number of partitions, such as a
	// Kafka topic. When partitions are added, keys move to other partitions.
	KeysByCount

	// KeysByRange is for a source whose partitions have ranges of keys, such as a Kinesis stream. Its lanes follow splits
	// and merges of partitions.
	KeysByRange
)

// LogSize is how many partitions a log has.
type LogSize struct {
	Source     string // Source and Epoch of its partitions
	Epoch      string
	Partitions int
}

// AddedPartitionsError says that a log has got more partitions, so that keys have moved between lanes, while a stage brings
// together the records of one lane only. Run returns it at its start, or before it reads a new partition.
type AddedPartitionsError struct {
	Stage string
	Log   LogSize // as it is now; Partitions is 0 if only some of the new ones are known
	Was   int     // how many partitions there were
}

func (e *AddedPartitionsError) Error() string {
	now := "more"
	if e.Log.Partitions > 0 {
		now = strconv.Itoa(e.Log.Partitions)
	}
	return fmt.Sprintf("log %q had %d partitions when the job began to read it and has %s now, so keys have moved to other partitions, and "+
		"stage %q sees one lane at a time: copies and pairs with one record from before the change and one from after it would go "+
		"unnoticed. Nothing was read of the new partitions. Begin a new job, under another name, behind the change; or take a shared store of "+
		"IDs; or set stream.Options.KeysInLanes for one start, if it does not matter that such copies and pairs pass until the "+
		"stage's window after the change is over", e.Log.Source, e.Was, now, e.Stage)
}
