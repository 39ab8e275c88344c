package files

import "time"

// Kind says to which part of the output a file belongs.
type Kind string

// The kinds of files.
const (
	Data Kind = ""     // in the folder of an hour, sealed with it
	Late Kind = "late" // of hours that were closed, never sealed
	Dead Kind = "dead" // dead letters, under the hour of reading, never sealed
	Note Kind = "note" // notes of stages, under hours that these choose, never sealed
	Pack Kind = "pack" // rows of an hour with all their keys, which are merged into files before the hour is sealed
)

// First levels of folders that are not flows.
const (
	LateFolder = "late"
	DeadFolder = "dead" // takes the place of a flow
	NoteFolder = "_notes"
)

// Layout is how the folders of a job are named.
type Layout struct {
	Prefix string        // of all keys, empty or with a slash at its end
	Job    string        // whose notes they are
	Hour   time.Duration // the length of a folder's time

	// Packs is the folder of an hour's packs, with a slash at its end.
	Packs func(hour time.Time) string
}

// Folder is the folder of a flow's hour, with a slash at its end; of notes flow is their name. The levels of the hour are "day=2025-05-01/", "hour=06/"
// unless an hour is a day, and "minute=15/" if it is shorter than one hour.
func (l Layout) Folder(flow string, kind Kind, hour time.Time) []byte {
	dst := []byte(l.Prefix)
	switch kind {
	case Late:
		dst = append(dst, LateFolder+"/"...)
	case Note:
		dst = append(append(append(dst, NoteFolder+"/"...), l.Job...), '/')
	case Data, Dead, Pack: // packs have a folder of their own
	}
	dst = append(append(dst, flow...), '/')
	dst = hour.UTC().AppendFormat(dst, "day=2006-01-02/")
	if l.Hour < 24*time.Hour {
		dst = hour.UTC().AppendFormat(dst, "hour=15/")
	}
	if l.Hour < time.Hour {
		dst = hour.UTC().AppendFormat(dst, "minute=04/")
	}
	return dst
}
