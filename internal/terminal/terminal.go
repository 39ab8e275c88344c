// Package terminal tells devices, where lines that replace each other are for people, from files and pipes.
package terminal

import "io/fs"

// Is reports whether w is a device, such as an *os.File of a terminal.
func Is(w any) bool {
	f, ok := w.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}
