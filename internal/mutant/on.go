//go:build mutant

package mutant

import "os"

var planted = os.Getenv("ONCEFLOW_MUTANT")

// On reports whether the mistake id is planted.
func On(id string) bool { return planted == id }
