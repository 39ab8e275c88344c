package group

import (
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
)

// session is one generation of the group in which we are a member. Member.mu guards its fields.
type session struct {
	generation int32
	id         string // the member's
	lanes      []cluster.Lane
	told       bool // Tell has returned the assignment
	ended      bool
	kept       bool // the coordinator is away, and its lanes stay until it gives others
	deadline   time.Time
	released   chan struct{} // closed once the engine has let go of the lanes
}

// begin makes x the session that Tell tells of.
func (m *Member) begin(x *session) {
	m.mu.Lock()
	m.session, m.err = x, nil
	m.mu.Unlock()
	m.host.Changed()
}

// end makes Tell take back the lanes of x, which may still commit until the deadline.
func (m *Member) end(x *session, deadline time.Time) {
	m.mu.Lock()
	x.ended, x.deadline = true, deadline
	m.since = time.Now()
	if !x.told {
		close(x.released) // nobody knows of it
		m.session = nil
	}
	m.mu.Unlock()
	m.host.Revoked()
}

// keep leaves the lanes of x where they are, if the engine has them, and reports whether it has.
func (m *Member) keep(x *session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.keeps || !x.told {
		return false
	}
	x.kept, m.since = true, time.Now()
	return true
}

// endKept takes back lanes that were kept, once there is a new session, and waits until the engine has let go of them.
func endKept(m *Member) {
	m.mu.Lock()
	x := m.session
	m.mu.Unlock()
	if x == nil || !x.kept {
		return
	}
	m.end(x, time.Now().Add(m.opts.RebalanceTimeout*9/10))
	select {
	case <-x.released:
	case <-m.ctx.Done():
	}
}

// Tell returns lanes that were given to this process since its last call, or lanes that were taken from it. Those may still
// commit until the deadline; then the caller calls LetGo. The goroutine of Poll calls Tell.
func (m *Member) Tell() (given, taken []cluster.Lane, deadline time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.session
	switch {
	case x == nil:
	case x.ended:
		m.session = nil
		if len(x.lanes) == 0 {
			close(x.released)
			break
		}
		m.leaving = x
		return nil, x.lanes, x.deadline
	case !x.told:
		x.told = true
		return x.lanes, nil, time.Time{}
	}
	return nil, nil, time.Time{}
}

// LetGo tells the group that this process no longer works on the lanes that were taken.
func (m *Member) LetGo() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving != nil {
		close(m.leaving.released)
		m.leaving = nil
	}
}

// Ended reports whether there is no session, or the session has ended. Then an unknown lane is one of the last session.
func (m *Member) Ended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session == nil || m.session.ended
}

// Outside says since when, and why, this process has failed to join the group; zero if it is in a session.
func (m *Member) Outside() (since time.Time, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil && !m.session.kept || m.leaving != nil || !m.began {
		return time.Time{}, nil
	}
	return m.since, m.err
}

// Name is the group's.
func (m *Member) Name() string { return m.opts.Name }
