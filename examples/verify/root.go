package main

import (
	"fmt"
	"strings"
)

// misplaced tells that a ledger's keys are not relative to the place that is checked: it is above or below what the job's
// store was opened on. Every file would be missing there, and every one that is there would be a stray.
func misplaced(l *ledger, objects map[string]int64) error {
	for _, c := range l.commits.list {
		for i := range c.files {
			key := c.files[i].Key
			if _, there := objects[key]; there {
				return nil
			}
			if root, ok := above(l.place.prefix, key, objects); ok {
				return fmt.Errorf("it is no job's root: the ledger of job %s lies below %q in it, and its keys are relative to %q: check that",
					l.place.name, l.place.prefix, root)
			}
			if root, ok := below(key, objects); ok {
				return fmt.Errorf("it is no job's root: the keys of job %s begin with %q, and their files lie here without: check the folder above", l.place.name, root)
			}
		}
	}
	return nil
}

// above is the first part of a ledger's prefix below which a file lies under its key.
func above(prefix, key string, objects map[string]int64) (string, bool) {
	for i := range len(prefix) {
		if prefix[i] != '/' {
			continue
		}
		if _, there := objects[prefix[:i+1]+key]; there {
			return prefix[:i+1], true
		}
	}
	return "", false
}

// below is the first part of a key without which a file lies here.
func below(key string, objects map[string]int64) (string, bool) {
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
