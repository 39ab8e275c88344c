//go:build !unix

package file

import "os"

// keptFolders is none: on Windows a folder that is open cannot be removed and made again.
const keptFolders = 0

// syncFolder does nothing: Windows has no such call, and NTFS keeps names in its journal.
func syncFolder(*os.File) error { return nil }

func isFull(error) bool      { return false }
func isNotFolder(error) bool { return false }
func isOtherDisk(error) bool { return false }
