package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// Owner says under which acquisitions files were staged. It is created, under a fresh name that the staging names carry,
// after each acquisition and before anything is staged under it, and lists all lanes that the instance then holds.
type Owner struct {
	Lanes []OwnerLane // ordered by name; never empty
}

// OwnerLane is one acquisition.
type OwnerLane struct {
	Lane  string `json:"lane"`
	Token Token  `json:"token"` // of the acquisition

	// Index is the first entry that the acquisition had not folded: State.Last + 1.
	Index uint64 `json:"index"`

	// From are the other lanes that the ledger had partitions of this one in, sorted. The first commit takes them away
	// from there.
	From []string `json:"from,omitempty"`

	// Since is the first entry that, in a lane of From, is not of the acquisition's own making.
	Since uint64 `json:"since,omitempty"`

	// Parts is how many partitions the lane had. Until the ledger has as many in it, more may come of it than it shows.
	Parts int `json:"parts,omitempty"`
}

// Index is the newest of all lanes: all entries below it were there when the object was written.
func (o *Owner) Index() (n uint64) {
	for _, l := range o.Lanes {
		n = max(n, l.Index)
	}
	return n
}

type ownerJSON struct {
	blobHeader
	Lanes []OwnerLane `json:"lanes"`
}

func (o *Owner) check() error {
	if len(o.Lanes) == 0 {
		return errors.New("an owner without lanes")
	}
	for i, l := range o.Lanes {
		if i > 0 && l.Lane <= o.Lanes[i-1].Lane {
			return errors.New("lanes are not in order")
		}
		if l.Index == 0 {
			return fmt.Errorf("lane %q with index 0", l.Lane)
		}
		if err := errors.Join(checkName("lane", l.Lane), checkToken(l.Token)); err != nil {
			return err
		}
		if !slices.IsSorted(l.From) || slices.Contains(l.From, l.Lane) {
			return fmt.Errorf("lane %q comes from lanes that are not in order, or from itself", l.Lane)
		}
	}
	return nil
}

// Encode returns the object of o.
func (o *Owner) Encode() ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("ledger: owner: %w", err)
	}
	body, err := pack(&ownerJSON{blobHeader{Format, MinReader}, o.Lanes})
	if err == nil && len(body) > MaxOwner {
		err = fmt.Errorf("%w: owner of %d bytes", ErrTooLong, len(body))
	}
	return body, err
}

// DecodeOwner reads an owner object. The error is a *VersionError if a newer version is needed, else a *CorruptError.
func DecodeOwner(body []byte) (*Owner, error) {
	const object = "owner"
	line, h, err := payload(object, body, MaxOwner)
	if err != nil {
		return nil, err
	}
	var j ownerJSON
	if err := unpack(object, line, h, &j); err != nil {
		return nil, err
	}
	o := &Owner{Lanes: j.Lanes}
	if err := o.check(); err != nil {
		return nil, corrupt(object, "%v", err)
	}
	return o, canonical(object, body, h, func() ([]byte, error) { return pack(&j) })
}

// Sweepable reports whether what was staged under o can never be named by an entry any more: each of its lanes has been
// touched, since the acquisition, under another token, or has nothing left to commit. One lane that was not is enough to keep
// it, since a commit of all lanes may still come. Before it discards a file a sweeper must list staging first, then read the ledger to its tail,
// then ask this, and spare what a pending entry names.
func (ls *Lanes) Sweepable(o *Owner) bool {
	gone, ours := 0, make(map[Token]bool, len(o.Lanes))
	for i := range o.Lanes {
		ours[o.Lanes[i].Token] = true
	}
	for i := range o.Lanes {
		if ls.dead(ours, &o.Lanes[i]) {
			gone++
		}
	}
	return gone == len(o.Lanes) && gone > 0
}

// dead reports whether no row of a lane can be committed any more under that acquisition, which made the tokens ours.
func (ls *Lanes) dead(ours map[Token]bool, l *OwnerLane) bool {
	if ls.ByName[l.Lane] == nil && l.Index < ls.Floor {
		return true // a first touch of a lane that was acquired then is void, and an earlier one was forgotten
	}
	// Another lane of the same acquisition may have come from there before, which leaves this one's work as good as it was.
	taken := func(from string) bool {
		now := ls.ByName[from]
		return now == nil || now.Version >= max(l.Index, l.Since) && !ours[now.Token]
	}
	now := ls.ByName[l.Lane]
	moved := len(l.From) == 0 || now != nil && now.Version >= l.Index && now.Token == l.Token
	switch {
	case now != nil && now.Version >= l.Index && now.Token != l.Token:
		return true
	case !moved: // its first commit touches all the lanes that it takes partitions from
		return slices.ContainsFunc(l.From, taken)
	}
	return now != nil && len(now.parts) >= l.Parts && ls.spent(now)
}

// spent reports whether all partitions of a lane have ended or were retired, and hold nothing. Nobody may ever touch such
// a lane again.
func (ls *Lanes) spent(l *Lane) bool {
	return !slices.ContainsFunc(l.parts, func(p record.Partition) bool { return !ls.Partitions[p].free() })
}
