//go:build unix

package workers

import (
	"syscall"
	"time"
)

// cpuTime is the processor time of this process: a busy machine does not distort it as much as the wall clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
