package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"
)

// hourFolder is the folder of an hour below that of its flow.
func (l *ledger) hourFolder(h time.Time) string {
	s := h.UTC().Format("day=2006-01-02/")
	if l.hour < 24*time.Hour {
		s += h.UTC().Format("hour=15/")
	}
	if l.hour < time.Hour {
		s += h.UTC().Format("minute=04/")
	}
	return s
}

// hourName is the name of an hour's manifest.
func (l *ledger) hourName(h time.Time) string {
	if l.hour%time.Hour == 0 {
		return h.UTC().Format("2006-01-02T15")
	}
	return h.UTC().Format("2006-01-02T1504")
}

// checkKey checks that a file lies where its flow, kind and hour say.
func (l *ledger) checkKey(what string, f *file) {
	if !l.r.expect(l.isHour(f.Hour), what, "%s: %s is not the start of an hour", f.Key, f.Hour) {
		return
	}
	first := f.Flow + "/"
	ok := f.Flow != "" && !strings.Contains(f.Flow, "/") && f.Flow[0] != '_' && f.Flow[0] != '.'
	switch f.Kind {
	case "":
		ok = ok && f.Flow != "late" && f.Flow != "dead"
	case "late":
		first = "late/" + first
	case "dead":
		ok = ok && f.Flow == "dead"
	default:
		ok = false
	}
	rest, found := strings.CutPrefix(f.Key, l.prefix+first+l.hourFolder(f.Hour))
	levels := strings.Split(rest, "/")
	for _, level := range levels[:len(levels)-1] {
		name, value, is := strings.Cut(level, "=")
		ok = ok && is && name != "" && value != "" && value[0] != '.'
	}
	l.r.expect(ok && found, what, "the file %s is not in the folder of flow %q, kind %q, hour %s", f.Key, f.Flow, f.Kind, f.Hour)
	l.r.expect(ownerOf(f.Key) != "", what, "the file %s has no owner in its name", f.Key)
}

// ownerOf is the ID that a data file's name begins with.
func ownerOf(key string) string {
	id, _, ok := strings.Cut(key[strings.LastIndexByte(key, '/')+1:], "-")
	if !ok || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return id
}

// checkOwners checks that each file was staged by an instance that held one of the commit's lanes by the same adoption.
func (l *ledger) checkOwners(ctx context.Context) error {
	owners := map[string]*owner{}
	for _, c := range l.commits {
		for i := range c.files {
			id := ownerOf(c.files[i].Key)
			o, known := owners[id]
			if !known {
				o = new(owner)
				key := l.root + "owners/" + id
				_, err := control(ctx, l.b, key, maxOwner, o)
				if errors.Is(err, errNewer) {
					return err
				}
				if errors.Is(err, fs.ErrNotExist) {
					err = errors.New("it is missing, and a file has its name")
				}
				if !l.r.expect(err == nil, key, "%v", err) {
					o = nil
				}
				owners[id] = o
			}
			l.r.expect(o == nil || o.holds(c.lanes), l.what(c.id), "the owner of %s held none of its lanes by their adoptions", c.files[i].Key)
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
