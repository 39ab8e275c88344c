package journal

import (
	"context"
	"maps"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
)

// openFiles remembers the on-time files of entries that were folded while we run, until their hours are sealed. Whoever
// closes an hour must list them. To read some 18,000 entries of 300 instances again takes the better part of a minute where
// a read takes 20 ms. The Journal's lock guards it; nil remembers nothing.
type openFiles struct {
	from    uint64 // the first entry that was offered; 0 before it
	hours   map[time.Time]map[uint64][]ledger.File
	missing map[uint64]time.Time // entries that were offered and not kept, with the last hour that they have files of
	room    int64                // bytes left
	over    time.Time            // hours that begin before it are forgotten
}

// openFilesBytes bounds an openFiles: about 100,000 files. What has no room is read again.
const openFilesBytes = 32 << 20

// fileBytes is what a file counts for beside its key.
const fileBytes = 200

func newOpenFiles() *openFiles {
	return &openFiles{hours: map[time.Time]map[uint64][]ledger.File{}, missing: map[uint64]time.Time{}, room: openFilesBytes}
}

// add takes in an entry. All entries must be added in their order.
func (o *openFiles) add(e *ledger.Entry) {
	if o.from == 0 {
		o.from = e.ID
	}
	if e.Commit == nil || len(e.Commit.Hours) == 0 {
		return
	}
	size := int64(0)
	for i := range e.Commit.Files {
		size += fileBytes + int64(len(e.Commit.Files[i].Key))
	}
	if size == 0 || size > o.room { // they are in a blob, or too many
		o.missing[e.ID] = e.Commit.Hours[len(e.Commit.Hours)-1].Hour
		return
	}
	for _, f := range e.Commit.Files {
		if !f.OnTime() {
			continue
		}
		f.Ref = nil // only publication needs it
		hour := o.hours[f.Hour]
		if hour == nil {
			hour = map[uint64][]ledger.File{}
			o.hours[f.Hour] = hour
		}
		hour[e.ID] = append(hour[e.ID], f)
		o.room -= fileBytes + int64(len(f.Key))
	}
}

// sealed forgets the hours that end at or before end.
func (o *openFiles) sealed(end time.Time) {
	o.over = when.Later(o.over, end)
	for start, entries := range o.hours {
		if !start.Before(end) {
			continue
		}
		for _, files := range entries {
			for i := range files {
				o.room += fileBytes + int64(len(files[i].Key))
			}
		}
		delete(o.hours, start)
	}
	maps.DeleteFunc(o.missing, func(_ uint64, last time.Time) bool { return last.Before(end) })
}

// FilesOf returns the on-time files of an entry in the given hours: from memory, or else by reading it.
func (j *Journal) FilesOf(ctx context.Context, id uint64, hours map[time.Time]ledger.Hour) (found []ledger.File, err error) {
	ok := false
	j.Look(func(*ledger.State) { found, ok = j.known.of(id, hours) })
	if ok {
		return found, nil
	}
	e, _, err := j.Folded(ctx, id)
	if err != nil || e.Commit == nil {
		return nil, err
	}
	files, err := j.Objects.Files(ctx, e.Commit)
	for _, f := range files {
		if _, closes := hours[f.Hour]; closes && f.OnTime() {
			found = append(found, f)
		}
	}
	return found, err
}

// of returns the files of an entry in the given hours; false if they are not all remembered.
func (o *openFiles) of(id uint64, hours map[time.Time]ledger.Hour) (found []ledger.File, ok bool) {
	if o == nil || o.from == 0 || id < o.from {
		return nil, false
	}
	if _, missing := o.missing[id]; missing {
		return nil, false
	}
	for hour := range hours {
		if hour.Before(o.over) { // another has sealed it while we were at it
			return nil, false
		}
		found = append(found, o.hours[hour][id]...)
	}
	return found, true
}
