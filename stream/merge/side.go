package merge

import (
	"errors"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/internal/sourcename"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Given is a Source that reads the lanes that it is given, and is a member of no group.
type Given interface {
	driver.Source

	// Give says which lanes are to be read from now on: those of the partitions with these IDs. Poll assigns the new ones once
	// they exist, and revokes those that are not among them. Any goroutine may call it.
	Give(ids []string)
}

// Keeper is a naming Source that can keep lanes while who assigns them is away.
type Keeper interface {
	// KeepLanes is called once, before the first Poll. From then on lanes are revoked only once others have been assigned, if
	// nobody could be asked whose they are.
	KeepLanes()
}

// side is one of the sources. The goroutine of Poll uses it.
type side struct {
	name  string
	given Given                        // nil for the one that names the lanes
	has   map[string]driver.Assignment // by ID of the partition; as Poll told

	asking bool  // whether its logs end, or it was asked a moment ago
	err    error // of the last question
	left   int   // lanes that do not wait for it any longer
	astray int   // lanes in which its clock is wrong
}

// check refuses what cannot be a side.
func check(src driver.Source) error {
	if src == nil {
		return errors.New("it is nil")
	}
	if i := src.Info(); i.LanesEnd || i.Follows {
		return errors.New("its partitions end or split; only those of a fixed number can be merged")
	}
	return nil
}

// even refuses sides with different numbers of partitions, or of more than one log.
func even(sides []*side, list []record.Partition) error {
	logs, counts := map[string][]string{}, map[string]int{}
	for _, p := range list {
		name, log := sourcename.Split(p.Source)
		counts[name]++
		if log += "@" + p.Epoch; !slices.Contains(logs[name], log) {
			logs[name] = append(logs[name], log)
		}
	}
	for _, s := range sides {
		if len(logs[s.name]) > 1 {
			return fmt.Errorf("merge: side %q has %d topics; make each a side of its own", s.name, len(logs[s.name]))
		}
		if a, b := counts[sides[0].name], counts[s.name]; a != b {
			return fmt.Errorf("merge: side %q has %d partitions and side %q has %d: records with equal keys would not meet; make the numbers equal",
				sides[0].name, a, s.name, b)
		}
	}
	return nil
}
