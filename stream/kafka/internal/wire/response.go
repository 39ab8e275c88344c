package wire

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// ErrMalformed means that what came is no valid response.
var ErrMalformed = errors.New("malformed response")

// Response is the answer to a Request. Its slices are parts of the buffer it was read from.
type Response struct {
	Throttle time.Duration // for how long the broker has held the answer back
	Err      int16         // of the whole request
	Parts    []Part
}

// Part is the answer for one partition.
type Part struct {
	Name    []byte   // of the topic, before v13
	TopicID [16]byte // from v13 on
	ID      int32
	Err     int16

	HighWatermark, LastStable, LogStart int64 // -1 with an error

	// Preferred is the replica that should be read instead; -1 is none.
	Preferred int32

	// Leader and LeaderEpoch come with some errors; -1 if not.
	Leader, LeaderEpoch int32

	// If Diverged, the log that we read and the leader's agree only up to DivergedEnd: the log was truncated there.
	Diverged    bool
	DivergedEnd int64

	Aborted []Aborted
	Data    []byte // record batches; the last may be cut
}

// Aborted is an aborted transaction that has records in the data.
type Aborted struct {
	Producer int64
	First    int64
}

// minPart is the size of the smallest answer for a partition.
const minPart = 37

// parse reads a response to a request of version v. It reuses the memory of r.
func (r *Response) parse(b []byte, v int16) error {
	c := cursor{b: b}
	c.tags(nil) // of the header
	r.Throttle = time.Duration(c.int32()) * time.Millisecond
	r.Err = c.int16()
	c.int32() // session
	r.Parts = r.Parts[:0]
	for n := c.length(3); n > 0 && !c.bad; n-- {
		var name []byte
		var id [16]byte
		if v >= 13 {
			copy(id[:], c.take(16))
		} else {
			name = c.take(c.length(1))
		}
		for m := c.length(minPart); m > 0 && !c.bad; m-- {
			r.Parts = slices.Grow(r.Parts, 1)[:len(r.Parts)+1]
			p := &r.Parts[len(r.Parts)-1]
			*p = Part{Name: name, TopicID: id, Aborted: p.Aborted[:0]}
			p.parse(&c)
		}
		c.tags(nil)
	}
	c.tags(nil)
	if c.bad || len(c.b) > 0 {
		return ErrMalformed
	}
	return nil
}

func (p *Part) parse(c *cursor) {
	p.ID, p.Err = c.int32(), c.int16()
	p.HighWatermark, p.LastStable, p.LogStart = c.int64(), c.int64(), c.int64()
	for n := c.length(17); n > 0 && !c.bad; n-- {
		p.Aborted = append(p.Aborted, Aborted{c.int64(), c.int64()})
		c.tags(nil)
	}
	p.Preferred = c.int32()
	p.Data = c.take(c.length(1))
	p.Leader, p.LeaderEpoch = -1, -1
	c.tags(func(tag uint64, v []byte) {
		t := cursor{b: v}
		switch tag {
		case 0:
			t.int32() // the epoch in which the logs still agree
			p.DivergedEnd = t.int64()
			p.Diverged = !t.bad
		case 1:
			p.Leader, p.LeaderEpoch = t.int32(), t.int32()
		}
	})
}

// versions reads the answer to ApiVersions v0 and returns the newest Fetch that the broker has; 0 if it has none.
func versions(b []byte) (int16, error) {
	c := cursor{b: b}
	if e := c.int16(); e != 0 {
		return 0, ErrMalformed
	}
	newest := int16(0)
	for n := c.int32(); n > 0 && !c.bad; n-- {
		key, _, v := c.int16(), c.int16(), c.int16()
		if key == keyFetch {
			newest = v
		}
	}
	if c.bad {
		return 0, ErrMalformed
	}
	return newest, nil
}

func size(h [4]byte) int { return int(int32(binary.BigEndian.Uint32(h[:]))) }
