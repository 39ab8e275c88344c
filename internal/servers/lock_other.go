//go:build !unix

package servers

import "os"

// tryLock locks nothing here: install from one process at a time.
func tryLock(*os.File) (bool, error) { return true, nil }
