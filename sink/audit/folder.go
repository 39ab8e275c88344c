package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// Folder is where the batches of one source lie: below _audit/<name>/ of a store. It is safe for concurrent use.
//
// Nothing of this module deletes there unless the store can. Give the folder a rule by which the bucket deletes what is
// older than the source keeps its records, and set Options.Keep to that.
type Folder struct {
	store *retry.Store
	root  string
	name  string
}

// OpenFolder makes a Folder of the store. name is 1 to 64 lower-case letters, digits, '-', '_' and '.', and begins with a
// letter or digit. It reads and writes nothing.
func OpenFolder(ctx context.Context, store driver.Store, name string) (*Folder, error) {
	if store == nil || !plainName(name) {
		return nil, fmt.Errorf("audit: a folder needs a store, and a name of 1 to 64 lower-case letters, digits, '-', '_' and '.': got %.80q", name)
	}
	return &Folder{store: retry.New(store, env.From(ctx)), root: "_audit/" + name + "/", name: name}, nil
}

func plainName(s string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= 64 && strings.Trim(s, first+"-_.") == "" && strings.ContainsRune(first, rune(s[0]))
}

// The folders within. Each has a folder for each hour of IDs.
const (
	batchFolder  = "batches/"
	listFolder   = "registry/"
	repairFolder = "repairs/"
)

const hourName = "2006-01-02T15"

// hour is the folder of an hour, with a slash at its end.
func (f *Folder) hour(folder string, at time.Time) string {
	return f.root + folder + at.UTC().Format(hourName) + "/"
}

// key is the key of an object that belongs to a batch. Its name begins with the ID.
func (f *Folder) key(folder string, id ID, rest string) string {
	return f.hour(folder, id.Time()) + id.String() + rest
}

// hours yields the hours that have a time from from on and before to.
func hours(from, to time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for at := from.UTC().Truncate(time.Hour); at.Before(to) && yield(at); {
			at = at.Add(time.Hour)
		}
	}
}

// names lists the names of the objects in the folder of an hour, from that of the ID from on. rest is what follows the ID.
// Objects without an ID are left out.
func (f *Folder) names(ctx context.Context, folder string, at time.Time) iter.Seq2[named, error] {
	prefix := f.hour(folder, at)
	return func(yield func(named, error) bool) {
		for o, err := range f.store.List(ctx, prefix, "") {
			if err != nil {
				yield(named{}, fmt.Errorf("audit: list %s: %w", prefix, err))
				return
			}
			if n, ok := parseNamed(o.Key[len(prefix):]); ok && !yield(n, nil) {
				return
			}
		}
	}
}

// named is an object that belongs to a batch.
type named struct {
	id   ID
	rest string // of its name, behind the ID
}

// parseNamed reads the name of an object; false if it has no ID.
func parseNamed(name string) (n named, ok bool) {
	if len(name) < idText {
		return n, false
	}
	id, err := ParseID(name[:idText])
	return named{id, name[idText:]}, err == nil
}

// create stores body under a key. It succeeds, too, if the same object is there, as after a reply that was lost.
func (f *Folder) create(ctx context.Context, key string, body []byte) error {
	err := f.store.Create(ctx, key, body)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there, err := f.store.Read(ctx, key, int64(len(body)))
	if err == nil && !bytes.Equal(there, body) {
		err = fs.ErrExist
	}
	if err != nil {
		return fmt.Errorf("audit: %s is another object: %w", key, err)
	}
	return nil
}

// keep stores the object of a batch.
func (f *Folder) keep(ctx context.Context, id ID, object []byte) error {
	return f.create(ctx, f.key(batchFolder, id, ""), object)
}

// Lines reads the lines of a batch. The error matches fs.ErrNotExist if the object is gone, and ErrDamaged if it is not
// what the producer wrote.
func (f *Folder) Lines(ctx context.Context, id ID) ([]Line, error) {
	key := f.key(batchFolder, id, "")
	object, err := f.store.Read(ctx, key, maxBatchObject)
	if err != nil {
		return nil, fmt.Errorf("audit: batch %s: %w", id, err)
	}
	lines, err := unpackBatch(id, object)
	if err != nil {
		return nil, fmt.Errorf("audit: batch %s: %w", id, err)
	}
	return lines, nil
}

// now is the store's clock.
func (f *Folder) now(ctx context.Context) (time.Time, error) { return f.store.Now(ctx) }

// expire deletes what belongs to batches of a time before before, of one of the folders.
func (f *Folder) expire(ctx context.Context, folder string, before time.Time) error {
	root := f.root + folder
	for o, err := range f.store.List(ctx, root, "") {
		if err != nil {
			return fmt.Errorf("audit: list %s: %w", root, err)
		}
		_, name, _ := strings.Cut(o.Key[len(root):], "/")
		n, ok := parseNamed(name)
		if !ok {
			continue
		}
		if !n.id.Time().Before(before) {
			return nil // so are all that follow
		}
		if err := f.store.Delete(ctx, o.Key); err != nil {
			return fmt.Errorf("audit: delete %s: %w", o.Key, err)
		}
	}
	return nil
}
