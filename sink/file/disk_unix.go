//go:build unix

package file

import (
	"errors"
	"os"
	"syscall"
)

// keptFolders is how many folders are kept open.
const keptFolders = 32

// syncFolder makes the names in a folder durable. A few network file systems have no such call, say EINVAL, and keep names
// by themselves.
func syncFolder(f *os.File) error {
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// isFull tells whether err says that there is no room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// isNotFolder tells whether err says that a file is where a folder should be.
func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// isOtherDisk tells whether err says that two names are on two file systems.
func isOtherDisk(err error) bool { return errors.Is(err, syscall.EXDEV) }
