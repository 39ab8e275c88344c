//go:build unix

package servers

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the exclusive lock on f that ends when f is closed, also by the death of the process.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
