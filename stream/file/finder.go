package file

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/file/internal/cut"
	"github.com/onceflow/onceflow/stream/file/internal/input"
	"github.com/onceflow/onceflow/stream/record"
)

// listed is a file as the last look at it found it.
type listed struct {
	id   string // path below Dir, or the absolute path, with slashes
	path string // to open it
	info os.FileInfo
	kind input.Content
	part record.Partition // without Epoch while the file has no record
	over bool             // it was read to its end, and that is committed
}

// finder finds the files that Config means, and knows of each what a look has found. It is safe for concurrent use.
type finder struct {
	conf     *Config
	opts     *Options
	rules    cut.Rules
	decoders *input.Pool
	paths    []listed // of Config.Paths, sorted, without info
	folder   string   // Config.Dir, absolute

	selection selection // by the last look; used with mu

	mu   sync.Mutex             // is held while the files are looked at
	seen map[string]listed      // by ID: the last look, but for files that are done
	done doneFiles              // those that are there yet
	bad  map[string]os.FileInfo // by ID: what was left out, as it was then
}

// selection is what a look at a folder did not choose.
type selection struct {
	used          []bool // of the patterns
	unwanted      int    // files that no pattern chooses
	example       string
	hidden        int // names that begin with a dot or an underscore
	hiddenExample string
}

// tell says what was not chosen: a pattern may choose less than its author meant.
func (n *finder) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, used := range n.selection.used {
		if !used {
			n.opts.Logger.Warn("a pattern chooses no file", "pattern", n.conf.Patterns[i], "folder", n.folder)
		}
	}
	if n.selection.unwanted > 0 {
		n.opts.Logger.Info("files are left out that no pattern chooses", "files", n.selection.unwanted, "such_as", n.selection.example, "patterns", n.conf.Patterns)
	}
	if n.selection.hidden > 0 {
		n.opts.Logger.Info("names are left out that begin with a dot or an underscore", "names", n.selection.hidden, "such_as", n.selection.hiddenExample)
	}
}

// resolve finds out where Config.Dir and Config.Paths are and what these are called.
func (n *finder) resolve() (err error) {
	if n.conf.Dir != "" {
		if n.folder, err = filepath.Abs(n.conf.Dir); err != nil {
			return fmt.Errorf("file: %w", err)
		}
	}
	for _, p := range n.conf.Paths {
		f := listed{id: filepath.ToSlash(filepath.Clean(p)), path: filepath.Join(n.conf.Dir, p)}
		if n.conf.Dir == "" {
			abs, err := filepath.Abs(p)
			if err != nil {
				return fmt.Errorf("file: %w", err)
			}
			f = listed{id: filepath.ToSlash(abs), path: abs}
		}
		if !utf8.ValidString(f.id) {
			return fmt.Errorf("file: the name %q is not UTF-8: a ledger cannot hold it", f.id)
		}
		n.paths = append(n.paths, f)
	}
	slices.SortFunc(n.paths, func(a, b listed) int { return strings.Compare(a.id, b.id) })
	for i := range n.paths[min(1, len(n.paths)):] {
		if n.paths[i].id == n.paths[i+1].id {
			return fmt.Errorf("file: %s is named twice", n.paths[i].path)
		}
	}
	return nil
}

// look finds the files that Config means, in the order of their IDs. It opens those that changed since the last look.
func (n *finder) look() ([]listed, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found, err := n.find()
	if err != nil {
		return nil, err
	}
	seen, done, bad := make(map[string]listed, len(n.seen)), make(doneFiles, len(n.done)), map[string]os.FileInfo{}
	for i := range found {
		f := &found[i]
		key := hashName(f.id)
		if e, ok := n.done[key]; ok && e.same(f.info) {
			f.part, f.over = record.Partition{Source: n.opts.Name, Epoch: e.epoch(), ID: f.id}, true
			done[key] = e
			continue
		}
		old, ok := n.seen[f.id]
		if ok && asBefore(old.info, f.info) {
			f.part, f.kind = old.part, old.kind
		} else if was, ok := n.bad[f.id]; ok && asBefore(was, f.info) {
			bad[f.id] = was
			continue
		} else if err := n.identify(f); err != nil {
			if errors.Is(err, fs.ErrNotExist) && (len(n.conf.Paths) == 0 || n.seen != nil) {
				continue // deleted while we looked
			}
			if n.opts.skips(err) {
				bad[f.id] = f.info
				n.opts.Logger.Error("a file is left out", "file", f.path, "error", err)
				continue
			}
			return nil, err
		}
		if e, ok := n.done[key]; ok && e.epoch() == f.part.Epoch { // lines that were added: the next run refuses them
			f.over = true
			done.add(f)
			continue
		}
		seen[f.id] = *f
	}
	n.seen, n.done, n.bad = seen, done, bad
	found = slices.DeleteFunc(found, func(f listed) bool { return f.part == record.Partition{} })
	slices.SortFunc(found, func(a, b listed) int { return strings.Compare(a.id, b.id) })
	return found, nil
}

// asBefore reports whether a file is as it was.
func asBefore(was, is os.FileInfo) bool {
	return os.SameFile(was, is) && was.Size() == is.Size() && was.ModTime().Equal(is.ModTime())
}

func (n *finder) identify(f *listed) error {
	in, err := input.Open(f.path, n.decoders)
	if err != nil {
		return err
	}
	defer in.Close()
	f.info, f.kind = in.Info, in.Kind
	epoch, text, err := fingerprint(in, n.rules, n.grows(in.Kind))
	if err != nil {
		return err
	}
	f.part = record.Partition{Source: n.opts.Name, Epoch: epoch, ID: f.id}
	if epoch == "" && text && !n.grows(in.Kind) {
		n.opts.Logger.Warn("a file has no record", "file", f.path, "header", n.rules.Header)
	}
	return nil
}

func (n *finder) find() (found []listed, err error) {
	if len(n.conf.Paths) == 0 {
		found, err = n.walk()
	} else {
		found, err = n.named()
	}
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	return found, nil
}

func (n *finder) named() ([]listed, error) {
	var found []listed
	for _, f := range n.paths {
		info, err := os.Stat(f.path)
		if errors.Is(err, fs.ErrNotExist) && n.seen != nil {
			continue // it was there when we began
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file", f.path)
		}
		f.info = info
		found = append(found, f)
	}
	return found, nil
}

func (n *finder) walk() (found []listed, err error) {
	n.selection = selection{used: make([]bool, len(n.conf.Patterns))}
	root := n.conf.Dir + string(filepath.Separator) // if it is a link, what it points to
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if p != root && errors.Is(err, fs.ErrNotExist) {
				return nil // deleted while we looked
			}
			return err
		}
		if p == root {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
			n.selection.hidden++
			n.selection.hiddenExample = cmp.Or(n.selection.hiddenExample, p)
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || d.IsDir() {
			return err
		}
		if !n.wanted(filepath.ToSlash(rel)) {
			n.selection.unwanted++
			n.selection.example = cmp.Or(n.selection.example, filepath.ToSlash(rel))
			return nil
		}
		f, ok, err := regular(p, d)
		if err != nil || !ok {
			return err
		}
		if f.id = filepath.ToSlash(rel); !utf8.ValidString(f.id) {
			return fmt.Errorf("the name %q is not UTF-8: a ledger cannot hold it", f.id)
		}
		found = append(found, f)
		return nil
	})
	return found, err
}

func (n *finder) wanted(id string) bool {
	for i, p := range n.conf.Patterns {
		name := id
		if !strings.Contains(p, "/") {
			name = path.Base(id)
		}
		if ok, _ := path.Match(p, name); ok { // Open has checked the pattern
			n.selection.used[i] = true
			return true
		}
	}
	return len(n.conf.Patterns) == 0
}

// regular follows a link to a file. It is false for what cannot be read twice, for links to folders, and for what was
// deleted meanwhile; a link that points nowhere is an error.
func regular(p string, d fs.DirEntry) (listed, bool, error) {
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrNotExist) && d.Type()&fs.ModeSymlink == 0 {
		return listed{}, false, nil
	}
	if err != nil {
		return listed{}, false, err
	}
	return listed{path: p, info: info}, info.Mode().IsRegular(), nil
}

// grows says whether more may come after the end of a file.
func (n *finder) grows(kind input.Content) bool { return n.opts.Follow && kind == input.Plain }

// finished notes that a lane's file was read to its end, and that this is committed.
func (n *finder) finished(l *lane) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f, ok := n.seen[l.file.id]; ok && f.part == *l.part {
		n.done.add(&f)
		delete(n.seen, l.file.id)
	}
}

// printBytes bounds the part of a file that tells it from another one under its name.
const printBytes = 4096

// fingerprint is the identity of a text: of its first line that is a record, with all before it, but at most of its
// first printBytes. It is empty for a text without a record, or whose first line may still grow. some says that there is a text.
func fingerprint(in *input.Input, r cut.Rules, grows bool) (epoch string, some bool, err error) {
	var buf [printBytes]byte
	for have, end := 0, false; !end; {
		// In small steps: what comes after the first line may be damaged.
		n, err := in.Read(buf[have:min(have+512, printBytes)])
		have += n
		if err != nil && !errors.Is(err, io.EOF) {
			return "", true, err
		}
		if r.OldMac(buf[:have]) {
			return "", true, input.Bad("%s: its lines end with carriage returns alone, as on old Macs, and would be one line: convert them, such as with tr '\\r' '\\n'", in.Path)
		}
		some = have > 0
		end = err != nil || have == printBytes
		last := end && (have == printBytes || !grows)
		if n := r.First(buf[:have], last); n > 0 {
			sum := sha256.Sum256(buf[:n])
			return hex.EncodeToString(sum[:8]), true, nil
		}
	}
	return "", some, nil
}
