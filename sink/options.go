package sink

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/codec"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/files"
)

// Options are the optional settings of a Sink; nil means all defaults.
type Options struct {
	// Prefix is put before all keys. It ends with a slash unless it is empty.
	//
	// Defaults to none: the flows are the first level of the store.
	Prefix string

	// Shared allows other jobs to write below the same Prefix. Each needs flows and seal names of its own; a flow that
	// another job has claimed is refused. Without it a folder in which another job has begun is refused.
	Shared bool

	// Hour is the length of time that a folder covers. It divides a day and is a number of minutes. The first run of a job
	// fixes it.
	//
	// Defaults to 1 hour.
	Hour time.Duration

	// Start is the first hour to seal. The first run of a job fixes it.
	//
	// Defaults to the earliest hour that has rows when the first one can be sealed.
	Start time.Time

	// FileBytes is the size at which a file is cut and another one begun. With merged flows it is at least 1 MiB and at most
	// 4 GiB.
	//
	// Defaults to 256 MiB.
	FileBytes int64

	// Keep is how long the packs of merged flows are kept after their hour was sealed. Who reads transactions must not be
	// behind by more.
	//
	// Defaults to 7 days. -1 is for ever.
	Keep time.Duration

	// Generation must be raised by one whenever topics are added to the job. Then instances with the old list, which may
	// still run, cannot seal hours without the new topics.
	//
	// Defaults to 1.
	Generation uint64
}

func (o *Options) filled() Options {
	var f Options
	if o != nil {
		f = *o
	}
	f.Hour = cmp.Or(f.Hour, time.Hour)
	f.FileBytes = cmp.Or(f.FileBytes, 256<<20)
	f.Keep = cmp.Or(f.Keep, 7*24*time.Hour)
	f.Generation = cmp.Or(f.Generation, 1)
	return f
}

// layout says where files are. root is that of the ledger.
func (o *Options) layout(job, root string) files.Layout {
	packs := func(hour time.Time) string { return root + ledger.PackFolder(hour) }
	return files.Layout{Prefix: o.Prefix, Job: job, Hour: o.Hour, Packs: packs}
}

func (o *Options) validate() error {
	var errs []error
	if err := storage.CheckPrefix(o.Prefix); err != nil {
		errs = append(errs, err)
	}
	if o.Hour < time.Minute || o.Hour > 24*time.Hour || o.Hour%time.Minute != 0 || 24*time.Hour%o.Hour != 0 {
		errs = append(errs, fmt.Errorf("Hour %s does not divide a day into whole minutes", o.Hour))
	} else if !o.Start.IsZero() && !o.Start.Equal(o.Start.UTC().Truncate(o.Hour)) {
		errs = append(errs, fmt.Errorf("Start %s is not the start of an hour", o.Start.UTC().Format(time.RFC3339)))
	}
	if o.FileBytes < 0 {
		errs = append(errs, fmt.Errorf("FileBytes %d is negative", o.FileBytes))
	}
	if o.Keep < -1 {
		errs = append(errs, fmt.Errorf("Keep %s is negative", o.Keep))
	}
	return errors.Join(errs...)
}

// maxName bounds names, so that every key fits the stores.
const maxName = 64

// checkName tells why s cannot be the name of a job or a flow.
func checkName(what, s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("%s name %.80q has %d bytes, not 1 to %d", what, s, len(s), maxName)
	}
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return fmt.Errorf("%s name %q has the character %q: lower-case letters, digits, '-', '_' and '.' are allowed", what, s, c)
		}
	}
	if s[0] == '.' || s[0] == '_' || s[0] == '-' {
		return fmt.Errorf("%s name %q begins with %q: readers take that for hidden, or for an option", what, s, s[0])
	}
	return nil
}

// reserved are the first levels that the library uses itself.
var reserved = map[string]bool{files.LateFolder: true, files.DeadFolder: true}

// Files of merged flows are neither so small that there are thousands nor longer than every store takes in one piece.
const minMerged, maxMerged = 1 << 20, 4 << 30

func validateFlows[T any](flows []Flow[T], o *Options) error {
	var errs []error
	if len(flows) == 0 {
		errs = append(errs, errors.New("no flows"))
	}
	names := map[string]bool{}
	for i := range flows {
		f := &flows[i]
		if err := checkName("flow", f.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		if names[f.Name] {
			errs = append(errs, fmt.Errorf("two flows have the name %q", f.Name))
		}
		names[f.Name] = true
		if err := f.validate(); err != nil {
			errs = append(errs, fmt.Errorf("flow %q: %w", f.Name, err))
		}
		if f.Merge && (o.FileBytes < minMerged || o.FileBytes > maxMerged) {
			errs = append(errs, fmt.Errorf("flow %q has Merge, and FileBytes %d is not between %d and %d", f.Name, o.FileBytes, minMerged, int64(maxMerged)))
		}
	}
	return errors.Join(errs...)
}

func checkStore(s Store) error {
	if s == nil {
		return errors.New("the store is nil")
	}
	return nil
}

func (f *Flow[T]) validate() error {
	var errs []error
	if c, ok := f.Format.(format.Checker); ok {
		if err := c.Check(); err != nil {
			return err
		}
	}
	if reserved[f.Name] {
		errs = append(errs, errors.New("the name is the library's own"))
	}
	if f.Format == nil {
		errs = append(errs, errors.New("no Format"))
	} else if _, ok := f.Format.Open().(format.Blocker); ok && f.Codec != nil && f.Codec != codec.None {
		errs = append(errs, errors.New("the Format compresses by itself: leave Codec out"))
	} else if _, joins := f.Format.(format.Joiner); ok && !joins && f.Merge {
		errs = append(errs, errors.New("Merge: files of this Format cannot be merged, since it makes blocks of its own and is no format.Joiner"))
	} else if joins && !ok {
		errs = append(errs, errors.New("the Format has a Join, and its encoders make no blocks"))
	}
	if f.Late > LateDrop {
		errs = append(errs, fmt.Errorf("Late %d is none of the policies", f.Late))
	}
	keys := map[string]bool{"day": true, "hour": true, "minute": true}
	for _, k := range f.Keys {
		if k.Value == nil {
			errs = append(errs, fmt.Errorf("key %q has no Value", k.Name))
		}
		if err := checkName("key", k.Name); err != nil {
			errs = append(errs, err)
		}
		if keys[k.Name] {
			errs = append(errs, fmt.Errorf("key %q is there twice, or one of day, hour and minute", k.Name))
		}
		keys[k.Name] = true
	}
	return errors.Join(errs...)
}
