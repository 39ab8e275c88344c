package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// Owner says under which acquisitions files were staged. It lists all lanes that the instance holds. After each acquisition
// the instance creates one, under a fresh name, before it stages a file; the names of staged files carry that name.
type Owner struct {
	Lanes []OwnerLane // ordered by name; never empty
	By    string      // the instance's name, for people; may be empty
}

// OwnerLane is one acquisition.
type OwnerLane struct {
	Lane  string `json:"lane"`
	Token Token  `json:"token"` // of the acquisition

	// Index is the first entry that the acquisition had not folded: State.Last + 1.
	Index uint64 `json:"index"`

	// From are the other lanes, sorted, in which the ledger had partitions of this one. The first commit moves the
	// partitions.
	From []string `json:"from,omitempty"`

	// Since is the first entry that can touch a lane of From without being the acquisition's own.
	Since uint64 `json:"since,omitempty"`

	// Parts is how many partitions the lane had. While the ledger has fewer in it, work may come that the ledger does not
	// show.
	Parts int `json:"parts,omitempty"`
}

// Index is the newest of all lanes: all entries below it existed when the object was written.
func (o *Owner) Index() (n uint64) {
	for _, l := range o.Lanes {
		n = max(n, l.Index)
	}
	return n
}

type ownerJSON struct {
	blobHeader
	By    string      `json:"by,omitempty"`
	Lanes []OwnerLane `json:"lanes"`
}

func (o *Owner) check() error {
	if len(o.Lanes) == 0 {
		return errors.New("an owner without lanes")
	}
	if err := checkBy(o.By); err != nil {
		return err
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
	body, err := pack(&ownerJSON{blobHeader{Format, MinReader}, o.By, o.Lanes})
	if err == nil && len(body) > MaxOwner {
		err = fmt.Errorf("%w: owner of %d bytes", ErrTooLong, len(body))
	}
	return body, err
}

// DecodeOwner reads an owner object. The error is a *VersionError if a newer version is needed, else a *CorruptError.
func DecodeOwner(body []byte) (*Owner, error) {
	const object = "owner"
	var j ownerJSON
	h, err := open(object, body, MaxOwner, &j)
	if err != nil {
		return nil, err
	}
	o := &Owner{Lanes: j.Lanes, By: j.By}
	if err := o.check(); err != nil {
		return nil, corrupt(object, "%v", err)
	}
	return o, canonical(object, body, h, func() ([]byte, error) { return pack(&j) })
}

// Sweepable reports whether no entry can ever name a file that was staged under o. That holds if each of its lanes was
// touched since the acquisition under another token, or has nothing left to commit. One other lane keeps the files, since a
// commit of all lanes may still come. A sweeper must list staging first, then read the ledger to its tail, then ask this;
// and it must spare the files that a pending entry names.
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

// dead reports whether no row of lane l can be committed any more under that acquisition. ours are the acquisition's
// tokens.
func (ls *Lanes) dead(ours map[Token]bool, l *OwnerLane) bool {
	if ls.ByName[l.Lane] == nil && l.Index < ls.Floor {
		return true // a first touch of a lane that was acquired then is void, and an earlier one was forgotten
	}
	// Our own commit of another lane of the acquisition may have advanced from; that leaves this lane's work valid.
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

// AllOver reports whether nothing can come of lanes that an entry has touched: each of them is spent, or was forgotten.
func (ls *Lanes) AllOver(lanes []string) bool {
	return !slices.ContainsFunc(lanes, func(lane string) bool {
		l := ls.ByName[lane]
		return l != nil && !ls.spent(l)
	})
}

// spent reports whether all partitions of a lane were retired or have ended and hold nothing. Such a lane may never be
// touched again.
func (ls *Lanes) spent(l *Lane) bool {
	return !slices.ContainsFunc(l.parts, func(p record.Partition) bool { return !ls.Partitions[p].free() })
}
