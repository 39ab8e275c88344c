package file

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file/internal/input"
)

// Config says which files to read, and what is in them.
type Config struct {
	// Dir is a folder. With it a file is known by its path below Dir, so the folder may be moved between runs. Without
	// Paths it is read with its subfolders, except names that begin with a dot or an underscore, and links to folders.
	Dir string

	// Patterns choose files of Dir, as path.Match does: by its last element if the pattern has no slash, else by its
	// path below Dir. None chooses all.
	Patterns []string

	// Paths are files, relative to Dir. Without a Dir they are known by their absolute paths. All must exist.
	Paths []string

	// Format says how a file is cut into records.
	//
	// Defaults to NDJSON.
	Format Format
}

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Name is the Source of the partitions. Another name makes other partitions: everything would be read again.
	//
	// Defaults to "files".
	Name string

	// Follow goes on at the end of the files: it waits for new lines and new files, for ever. A last line without its
	// newline waits. Compressed files are not followed: they must be whole when they appear, so move them in place. Without
	// Follow a file ends at its end, and a line that is added later is an error of the next run.
	Follow bool

	// Poll is how often followed files are looked at.
	//
	// Defaults to 1 second.
	Poll time.Duration

	// Complete is called when all of a followed file was read. It says, from the path below Dir and the time of the last
	// change, that no line will ever be added. Then the file's partition ends, so it holds up no seal and may be deleted.
	// If a followed file is deleted before, that is driver.ErrLost, since nobody knows whether its last lines were read.
	//
	// Defaults to never.
	Complete func(path string, changed time.Time) bool

	// Lane names the lane of a file, from its path below Dir. Files with one name share a lane, so joins, counts and dedup
	// with a local store see them together. They are read one after the other, in the order of their names. "" makes a file
	// a lane of its own.
	//
	// Each new file of a followed folder begins the lane again. Then what stages hold is read again. For counts, and dedup
	// with a local store, so are the files that were read to their end, as long as they lie in the folder. One of those is
	// left out if its last event is further than the stage's window before the oldest file that has begun and not ended.
	// That is known until the ledger forgets the file, some 30 to 60 minutes after its end. If such a file is deleted
	// within the window, a copy of what was in it counts as new.
	//
	// Defaults to a lane for each file.
	Lane func(path string) string

	// InOrder says that the files of a lane follow each other in event time as they do by name, such as those of a log that
	// is cut each hour. Then event time is that of the files that have begun, and a join releases what has waited long
	// enough. Without it event time waits for the last file to begin, which might hold the oldest event. That is right for
	// any files, but a join keeps all unmatched events until then.
	InOrder bool

	// SkipBad goes on with the other files where one cannot be opened, is of a kind that cannot be read, or is damaged. One
	// that was not begun is left out, and looked at again when it changes. Of one that was begun a dead letter says what is
	// wrong, and that is its end: a mended file must have another name. Without it the job stops.
	SkipBad bool

	// Unchecked gives the records of a compressed file before its checksum, which is at its end, was read. That saves
	// reading such files twice, but a damaged one may give wrong lines before the error.
	Unchecked bool

	// MaxLine is the length of a line in bytes above which it is cut short and goes to the dead-letter flow. A longer CSV
	// record of several lines is taken for one line with a quote that was never closed, and further lines.
	//
	// Defaults to 1 MiB.
	MaxLine int

	// MaxOpen is how many files are read at once. They are begun in the order of their names.
	//
	// Defaults to 16.
	MaxOpen int

	// MaxWindow bounds the memory of a zstd decoder, of which there is one per open file. Files made with a larger
	// window, such as by zstd --long=27, are refused.
	//
	// Defaults to 32 MiB.
	MaxWindow int

	// Logger gets a line for what a file or a pattern has less of than its author may have meant: a file without a record, a
	// header that comes again, files that no pattern chooses, and what SkipBad leaves out. Defaults to discarding.
	Logger *slog.Logger
}

func (o *Options) filled() Options {
	var f Options
	if o != nil {
		f = *o
	}
	f.Name = cmp.Or(f.Name, "files")
	f.Poll = cmp.Or(f.Poll, time.Second)
	f.MaxLine = cmp.Or(f.MaxLine, 1<<20)
	f.MaxOpen = cmp.Or(f.MaxOpen, 16)
	f.Logger = cmp.Or(f.Logger, slog.New(slog.DiscardHandler))
	f.MaxWindow = cmp.Or(f.MaxWindow, 32<<20)
	return f
}

// skips reports whether err is of a file that SkipBad goes on without.
func (o *Options) skips(err error) bool {
	var of *input.Error
	return o.SkipBad && errors.As(err, &of) && !errors.Is(err, driver.ErrLost)
}

func (c *Config) faults(o *Options) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("file: "+format, a...)) }
	if c.Dir == "" && len(c.Paths) == 0 {
		bad("Config has neither Dir nor Paths")
	}
	if len(c.Paths) > 0 && len(c.Patterns) > 0 {
		bad("Config has both Paths and Patterns")
	}
	for _, p := range c.Patterns {
		if _, err := path.Match(p, ""); err != nil {
			bad("pattern %q: %w", p, err)
		}
	}
	if csv, ok := c.Format.(CSV); ok && csv.delimiter() < ' ' && csv.delimiter() != '\t' || csv.Comma == '"' {
		bad("CSV.Comma %q cannot separate fields", csv.Comma)
	}
	if o.Poll < 0 {
		bad("Poll %s is negative", o.Poll)
	}
	if o.MaxLine < 0 || o.MaxLine > 1<<30 {
		bad("MaxLine %d is not in 1 byte to 1 GiB", o.MaxLine)
	}
	if o.MaxOpen < 0 {
		bad("MaxOpen %d is negative", o.MaxOpen)
	}
	if o.MaxWindow < 1<<10 || o.MaxWindow > 1<<31 {
		bad("MaxWindow %d is not in 1 KiB to 2 GiB", o.MaxWindow)
	}
	return errors.Join(errs...)
}
