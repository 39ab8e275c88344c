package sink

import (
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
)

// First levels of folders that are not flows.
const (
	lateFolder = "late"
	deadFolder = "dead"
)

// appendHour appends the levels of an hour: "day=2025-05-01/", "hour=06/" unless an hour is a day, and "minute=15/" if
// it is shorter than one hour.
func appendHour(dst []byte, hour time.Time, length time.Duration) []byte {
	dst = hour.UTC().AppendFormat(dst, "day=2006-01-02/")
	if length < 24*time.Hour {
		dst = hour.UTC().AppendFormat(dst, "hour=15/")
	}
	if length < time.Hour {
		dst = hour.UTC().AppendFormat(dst, "minute=04/")
	}
	return dst
}

// flowFolder is the folder of a flow's hour, with a slash at its end.
func flowFolder(prefix, flow string, kind ledger.FileKind, hour time.Time, length time.Duration) []byte {
	dst := []byte(prefix)
	switch kind {
	case ledger.LateFile:
		dst = append(append(dst, lateFolder...), '/')
	case ledger.DeadFile, ledger.DataFile:
	}
	dst = append(append(dst, flow...), '/')
	return appendHour(dst, hour, length)
}
