package mutant

import (
	"os"
	"sync"
)

var planted = os.Getenv("ONCEFLOW_MUTANT")

// On reports whether the mistake id is planted.
func On(id string) bool { return planted == id }

// Kept is what mistakes remember, by whom.
var Kept sync.Map
