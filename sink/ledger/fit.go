package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Detached is a part that Fit moved out of an entry: it must be created before the entry is.
type Detached struct {
	Key  string // relative to Root
	Body []byte
}

// Fit makes a Commit short enough: it moves to blobs the files, then held sets from the longest on, then lanes and hours,
// until the entry has no more than limit bytes, 0 being MaxEntry, so that Encode will not fail with ErrTooLong. key gives
// the name of the i-th blob, see BlobName. Other entries, and those that are short enough, are left alone. The moved parts
// also stay in e, for its author.
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
	size, err := e.size()
	if size <= limit || err != nil {
		return nil, err
	}
	if len(c.Files) > 0 && c.FilesBlob == nil {
		if c.FilesBlob, err = add(EncodeFiles(c.Files)); err != nil {
			return nil, err
		}
		if size, err = e.size(); err != nil {
			return nil, err
		}
	}
	for _, p := range c.longestHeld(limit / 256) {
		if size <= limit {
			return out, nil
		}
		inline, err := p.size()
		if err != nil {
			return nil, err
		}
		if p.HeldBlob, err = add(EncodeHeld(p.Progress.Held)); err != nil {
			return nil, err
		}
		short, err := p.size()
		if err != nil {
			return nil, err
		}
		size -= inline - short // to encode the entry for each of them would take minutes with thousands
	}
	if size <= limit {
		return out, nil
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	if c.BodyBlob, err = add(blobLimit(pack(&bodyBlobJSON{blobHeader{Format, MinReader}, body}))); err != nil {
		return nil, err
	}
	return out, nil
}

// slack is for what Prepare may still change: the number of the entry.
const slack = 64

// size is how long the entry is, at most.
func (e *Entry) size() (int, error) {
	body, err := e.encode()
	return len(body) + slack, err
}

// size is how much of an entry the partition takes.
func (p *PartitionCommit) size() (int, error) {
	row, err := p.row()
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(row)
	return len(body), err
}

// longestHeld returns the partitions that hold more than so many records, which are worth a blob, the longest first.
func (c *Commit) longestHeld(more int) []*PartitionCommit {
	var out []*PartitionCommit
	for i := range c.Lanes {
		for k := range c.Lanes[i].Partitions {
			if p := &c.Lanes[i].Partitions[k]; p.HeldBlob == nil && p.Progress.Held.Len() > more {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *PartitionCommit) int {
		return -cmp.Compare(a.Progress.Held.Len(), b.Progress.Held.Len())
	})
	return out
}

// Detached returns the blob that must be read and attached before e can be validated or folded; nil if there is none.
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
	*e.Commit = c
	return nil
}
