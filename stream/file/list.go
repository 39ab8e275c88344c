package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/record"
)

// listed is a file as the last look at it found it.
type listed struct {
	id   string // path below Dir, or the absolute path, with slashes
	path string // to open it
	info os.FileInfo
	kind content
	part record.Partition // without Epoch while the file has no record
	over bool             // it was read to its end, and that is committed
}

// look finds the files that Config means, in the order of their IDs. It opens those that changed since the last look.
// It is safe for concurrent use.
func (s *Source) look() ([]listed, error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	found, err := s.find()
	if err != nil {
		return nil, err
	}
	seen, done := make(map[string]listed, len(s.seen)), make(doneFiles, len(s.done))
	for i := range found {
		f := &found[i]
		key := hashName(f.id)
		if e, ok := s.done[key]; ok && e.same(f.info) {
			f.part, f.over = record.Partition{Source: s.opts.Name, Epoch: e.epoch(), ID: f.id}, true
			done[key] = e
			continue
		}
		old, ok := s.seen[f.id]
		if ok && os.SameFile(old.info, f.info) && old.info.Size() == f.info.Size() && old.info.ModTime().Equal(f.info.ModTime()) {
			f.part, f.kind = old.part, old.kind
		} else if err := s.identify(f); err != nil {
			if errors.Is(err, fs.ErrNotExist) && (len(s.conf.Paths) == 0 || s.seen != nil) {
				continue // deleted while we looked
			}
			return nil, err
		}
		if e, ok := s.done[key]; ok && e.epoch() == f.part.Epoch { // lines that were added: the next run refuses them
			f.over = true
			done.add(f)
			continue
		}
		seen[f.id] = *f
	}
	s.seen, s.done = seen, done
	found = slices.DeleteFunc(found, func(f listed) bool { return f.part == record.Partition{} })
	slices.SortFunc(found, func(a, b listed) int { return strings.Compare(a.id, b.id) })
	return found, nil
}

func (s *Source) identify(f *listed) error {
	in, err := openInput(f.path, s.decoders)
	if err != nil {
		return err
	}
	defer in.close()
	f.info, f.kind = in.info, in.kind
	f.part = record.Partition{Source: s.opts.Name, ID: f.id}
	f.part.Epoch, err = fingerprint(in, s.rules, s.grows(in.kind))
	return err
}

func (s *Source) find() (found []listed, err error) {
	if len(s.conf.Paths) == 0 {
		found, err = s.walk()
	} else {
		found, err = s.named()
	}
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	return found, nil
}

func (s *Source) named() ([]listed, error) {
	var found []listed
	for _, f := range s.paths {
		info, err := os.Stat(f.path)
		if errors.Is(err, fs.ErrNotExist) && s.seen != nil {
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

func (s *Source) walk() (found []listed, err error) {
	root := s.conf.Dir + string(filepath.Separator) // if it is a link, what it points to
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
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || d.IsDir() || !s.wanted(filepath.ToSlash(rel)) {
			return err
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

func (s *Source) wanted(id string) bool {
	for _, p := range s.conf.Patterns {
		name := id
		if !strings.Contains(p, "/") {
			name = path.Base(id)
		}
		if ok, _ := path.Match(p, name); ok { // Open has checked the pattern
			return true
		}
	}
	return len(s.conf.Patterns) == 0
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
