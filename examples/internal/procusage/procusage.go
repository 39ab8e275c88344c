//go:build unix

// Package procusage tells what a process has used so far, for the benchmarks.
package procusage

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Self returns the CPU seconds that this process has used, user and system, and the most memory it had, in bytes.
func Self() (cpu float64, peak int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	// What getrusage says of memory counts the parent's, from before the exec.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return cpu, u.Maxrss // macOS counts it in bytes
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	rest, _, _ = strings.Cut(rest, "kB")
	kb, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
	return cpu, kb << 10
}
