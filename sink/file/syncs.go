package file

import "sync"

// syncs lets calls that want one folder synced at the same time share a sync. Each file that is closed or published needs
// the names of its folder on the disk, so that a commit of thousands of files would otherwise sync the one folder of staging,
// and that of the hour, thousands of times. Its zero value is ready. It is safe for concurrent use.
type syncs struct {
	mu      sync.Mutex
	folders map[string]*syncedFolder
}

// syncedFolder is a folder that somebody wants synced.
type syncedFolder struct {
	turn  chan struct{} // full while a sync is under way
	next  *round        // the sync that has not begun yet; nil if nobody waits for one
	users int           // calls; the last one forgets the folder. Guarded by syncs.mu, as is next
}

// round is one sync for all who asked before it began.
type round struct {
	done chan struct{}
	err  error
}

// sync makes all names durable that were in the folder when it was called: the sync that it waits for begins later.
func (s *syncs) sync(d disk, name string) error {
	f, r, first := s.join(name)
	defer s.leave(name, f)
	if !first {
		<-r.done
		return r.err
	}
	f.turn <- struct{}{}
	s.begin(f)
	r.err = d.SyncDir(name)
	<-f.turn
	close(r.done)
	return r.err
}

// join returns the next sync of a folder, and whether the caller is the one to make it.
func (s *syncs) join(name string) (f *syncedFolder, r *round, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.folders[name]; f == nil {
		f = &syncedFolder{turn: make(chan struct{}, 1)}
		if s.folders == nil {
			s.folders = map[string]*syncedFolder{}
		}
		s.folders[name] = f
	}
	f.users++
	if f.next == nil {
		f.next, first = &round{done: make(chan struct{})}, true
	}
	return f, f.next, first
}

// begin makes those who come from now on wait for another sync: what they have named this one may miss.
func (s *syncs) begin(f *syncedFolder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.next = nil
}

func (s *syncs) leave(name string, f *syncedFolder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.users--; f.users == 0 {
		delete(s.folders, name)
	}
}
