package file

import (
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// Finish lets go of lanes whose ends are committed: see driver.Follower. One that must be looked through for lines that
// were added since the last run goes once that is done.
func (s *Source) Finish(lanes []string) {
	for _, name := range lanes {
		if g := s.groups[name]; g != nil {
			g.finish()
		} else if l := s.alone(name); l != nil {
			l.over = true
		}
	}
	s.drop()
}

// drop forgets the lanes that are over.
func (s *Source) drop() {
	s.lanes = slices.DeleteFunc(s.lanes, func(l *lane) bool {
		if !l.over || l.state != ended || l.group != nil {
			return false
		}
		l.close()
		s.ends.unmark(l)
		delete(s.byID, l.file.id)
		s.files.finished(l)
		return true
	})
}

// forgetGone forgets the files of lanes that are over which are no more in the folder.
func (s *Source) forgetGone(found []listed) {
	if len(s.groups) == 0 {
		return
	}
	there := make(map[record.Partition]bool, len(found))
	for i := range found {
		there[found[i].part] = true
	}
	for name, g := range s.groups {
		if g.assigned {
			continue
		}
		g.files = slices.DeleteFunc(g.files, func(l *lane) bool {
			if there[*l.part] || l.state != ended {
				return false
			}
			l.over = true
			return true
		})
		if len(g.files) == 0 {
			delete(s.groups, name)
		}
	}
	s.lanes = slices.DeleteFunc(s.lanes, func(l *lane) bool {
		if l.group == nil || !l.over {
			return false
		}
		if s.byID[l.file.id] == l {
			delete(s.byID, l.file.id)
		}
		return true
	})
}
