package ledger

import (
	"cmp"
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
	if fits, err := e.fits(limit); fits || err != nil {
		return nil, err
	}
	var err error
	if len(c.Files) > 0 && c.FilesBlob == nil {
		if c.FilesBlob, err = add(EncodeFiles(c.Files)); err != nil {
			return nil, err
		}
	}
	for _, p := range c.longestHeld(limit / 256) {
		if fits, err := e.fits(limit); fits || err != nil {
			return out, err
		}
		if p.HeldBlob, err = add(EncodeHeld(p.Progress.Held)); err != nil {
			return nil, err
		}
	}
	if fits, err := e.fits(limit); fits || err != nil {
		return out, err
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

func (e *Entry) fits(limit int) (bool, error) {
	body, err := e.encode()
	return len(body)+slack <= limit, err
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
