package main

import (
	"context"
	"errors"
	"io/fs"
)

// checkOwners checks that each file was staged by an instance that held one of the commit's lanes by the same acquisition.
func checkOwners(ctx context.Context, p *place, commits []*committed) error {
	owners := map[string]*owner{}
	for _, c := range commits {
		for i := range c.files {
			id := ownerOf(c.files[i].Key)
			o, known := owners[id]
			if !known {
				o = new(owner)
				key := p.root + "owners/" + id
				_, err := control(ctx, p.b, key, maxOwner, o)
				if errors.Is(err, errNewer) {
					return err
				}
				if errors.Is(err, fs.ErrNotExist) {
					err = errors.New("it is missing, and a file has its name")
				}
				if !p.expect(err == nil, key, "%v", err) {
					o = nil
				}
				owners[id] = o
			}
			p.expect(o == nil || o.holds(c.lanes), p.what(c.id), "the owner of %s held none of its lanes by their acquisitions", c.files[i].Key)
		}
	}
	return nil
}

func (o *owner) holds(lanes []laneCommit) bool {
	for i := range lanes {
		for _, l := range o.Lanes {
			if l.Lane == lanes[i].Lane && l.Token == lanes[i].Token {
				return true
			}
		}
	}
	return false
}
