package main

import (
	"fmt"
	"strings"
)

// misplaced tells that a ledger's keys are not relative to the place that is checked: it is above or below what the job's
// store was opened on. Every file would be missing there, and every one that is there would be a stray.
func (l *ledger) misplaced(objects map[string]int64) error {
	for _, c := range l.commits {
		for i := range c.files {
			key := c.files[i].Key
			if _, there := objects[key]; there {
				return nil
			}
			if above, ok := l.above(key, objects); ok {
				return fmt.Errorf("it is no job's root: the ledger of job %s lies below %q in it, and its keys are relative to %q: check that",
					l.name, l.prefix, above)
			}
			if below, ok := l.below(key, objects); ok {
				return fmt.Errorf("it is no job's root: the keys of job %s begin with %q, and their files lie here without: check the folder above", l.name, below)
			}
		}
	}
	return nil
}

// above is the first part of the ledger's prefix below which a file lies under its key.
func (l *ledger) above(key string, objects map[string]int64) (string, bool) {
	for i := range len(l.prefix) {
		if l.prefix[i] != '/' {
			continue
		}
		if _, there := objects[l.prefix[:i+1]+key]; there {
			return l.prefix[:i+1], true
		}
	}
	return "", false
}

// below is the first part of a key without which a file lies here.
func (l *ledger) below(key string, objects map[string]int64) (string, bool) {
	for i := range len(key) {
		if key[i] != '/' {
			continue
		}
		if _, there := objects[key[i+1:]]; there {
			return key[:i+1], true
		}
	}
	return "", false
}

// checkPrefix refuses what names no folder of a bucket: objects whose names only begin alike would be taken for the job's.
func checkPrefix(place, prefix string) error {
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return nil
	}
	return fmt.Errorf("it is no job's root: the prefix %q does not end with a slash; is it %s/?", prefix, place)
}
