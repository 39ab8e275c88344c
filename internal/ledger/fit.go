package ledger

import (
	"cmp"
	"fmt"
)

// Detached is a part that Fit moved out of an entry. It must be created before the entry.
type Detached struct {
	Key  string // relative to Root
	Body []byte
}

// Fit shortens a Commit to limit bytes, 0 being MaxEntry, so that Encode does not fail with ErrTooLong. It moves pending
// sets to a blob if they take much of the entry, then files, then lanes and hours. e must be prepared, since a moved
// pending set may be only what has changed since the base. key names the i-th blob, see BlobName. Other entries, and short
// ones, do not change. The moved parts also stay in e, for its author.
func (e *Entry) Fit(limit int, key func(i int) string) ([]Detached, error) {
	limit = cmp.Or(limit, MaxEntry)
	c := e.Commit
	if c == nil {
		return nil, nil
	}
	var out []Detached
	add := func(body []byte, err error) (*Blob, error) {
		if err != nil {
			return nil, err
		}
		b := NewBlob(key(len(out)), body)
		out = append(out, Detached{b.Key, body})
		return b, nil
	}
	if err := c.movePending(limit, add); err != nil {
		return nil, err
	}
	size, err := e.size()
	if size <= limit || err != nil {
		return out, err
	}
	if len(c.Files) > 0 && c.FilesBlob == nil {
		if c.FilesBlob, err = add(EncodeFiles(c.Files)); err != nil {
			return nil, err
		}
		if size, err = e.size(); size <= limit || err != nil {
			return out, err
		}
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	if c.BodyBlob, err = add(blobLimit(pack(&bodyBlobJSON{versionOf(c.hasPacks()), body}))); err != nil {
		return nil, err
	}
	return out, nil
}

// movePending moves the long pending sets to one blob if they take more than a sixteenth of an entry together. All
// instances read every entry; only the next owner of a lane reads the blob.
func (c *Commit) movePending(limit int, add func([]byte, error) (*Blob, error)) error {
	var long []*PartitionCommit
	size := 0
	for i := range c.Lanes {
		for k := range c.Lanes[i].Partitions {
			p := &c.Lanes[i].Partitions[k]
			if p.PendingBlob == nil && p.Progress.Pending.Len() > limit/512 {
				long = append(long, p)
				size += p.inline()
			}
		}
	}
	if size <= limit/16 {
		return nil
	}
	j := &pendingBlobJSON{blobHeader{Format, MinReader}, make([]pendingSetJSON, len(long))}
	var err error
	for i, p := range long {
		if j.Sets[i], err = p.toPendingSet(); err != nil {
			return err
		}
	}
	b, err := add(blobLimit(pack(j)))
	if err != nil {
		return err
	}
	for i, p := range long {
		at := *b
		at.At = i
		p.PendingBlob = &at
	}
	return nil
}

// slack is room for what Prepare may still change: the number of the entry.
const slack = 64

// size is how long the entry is, at most.
func (e *Entry) size() (int, error) {
	body, err := e.encode()
	return len(body) + slack, err
}

// Detached returns the blob that must be attached before e can be validated or folded; nil if there is none.
func (e *Entry) Detached() *Blob {
	if e.Commit == nil || e.Commit.BodyBlob == nil || len(e.Commit.Lanes) > 0 {
		return nil
	}
	return e.Commit.BodyBlob
}

// Attach puts back what Detached says is missing.
func (e *Entry) Attach(body []byte) error {
	b := e.Detached()
	if b == nil {
		return fmt.Errorf("ledger: entry %d misses nothing", e.ID)
	}
	var j bodyBlobJSON
	h, err := b.open(body, &j)
	if err != nil {
		return err
	}
	c := *e.Commit
	if err := j.into(&c); err != nil {
		return corrupt(b.object(), "%v", err)
	}
	if err := c.checkBody(); err != nil {
		return corrupt(b.object(), "%v", err)
	}
	err = canonical(b.object(), body, h, func() ([]byte, error) {
		again, err := c.body()
		if err != nil {
			return nil, err
		}
		return pack(&bodyBlobJSON{j.blobHeader, again})
	})
	if err != nil {
		return err
	}
	whole := *e
	whole.Commit = &c
	if err := whole.checkFormat(); err != nil {
		return corrupt(fmt.Sprintf("entry %d", e.ID), "%v", err)
	}
	*e.Commit = c
	return nil
}
