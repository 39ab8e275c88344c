package file

import (
	"container/list"
	"sync"
)

// handles are the uploads that keep their file open: those that were written to last. The others, of a flow with thousands
// of folders, open it for the next write: the usual limit of a process is 1,024 files. A file that is begun, written and
// closed in one go, as at a commit, is opened once.
//
// Its zero value is ready. It is safe for concurrent use.
type handles struct {
	mu   sync.Mutex
	used list.List // of *upload, the last used at the back
}

// keptHandles is how many uploads of a Store keep their file open.
const keptHandles = 512

// use makes u, whose handle is open and whose lock the caller has, the last used, and closes those that are too many.
func (h *handles) use(u *upload) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if u.place != nil {
		h.used.MoveToBack(u.place)
		return
	}
	u.place = h.used.PushBack(u)
	for e := h.used.Front(); e != u.place && h.used.Len() > keptHandles; {
		old := e.Value.(*upload)
		e = e.Next()
		// One that is locked is in use. Waiting for it could be for ever: it may want to close ours.
		if old.mu.TryLock() {
			h.remove(old)
			old.closeHandle()
			old.mu.Unlock()
		}
	}
}

// drop forgets u, whose lock the caller has.
func (h *handles) drop(u *upload) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(u)
}

func (h *handles) remove(u *upload) {
	if u.place != nil {
		h.used.Remove(u.place)
		u.place = nil
	}
}
