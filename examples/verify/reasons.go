package main

import "strings"

// reason is why records of a commit have no row.
type reason struct {
	Fate    string `json:"fate"`
	Why     string `json:"why"`
	Records int64  `json:"records"`
}

// flowRows are rows of a flow.
type flowRows struct {
	Flow string `json:"flow"`
	Rows int64  `json:"rows"`
}

// checkReasons checks that no more records have a reason than have its fate, and the order.
func (cs *commits) checkReasons(what string, c *commit, finished counts) {
	fates := []string{"written", "merged", "filtered", "duplicate", "late", "dead"}
	left := []int64{finished.Written, finished.Merged, finished.Filtered, finished.Duplicate, finished.Late, finished.Dead}
	at, before := 0, ""
	cs.place.expect(len(c.Reasons) <= 32, what, "%d reasons", len(c.Reasons))
	for _, r := range c.Reasons {
		for at < len(fates) && fates[at] != r.Fate {
			at, before = at+1, ""
		}
		if !cs.place.expect(at < len(fates), what, "reason %q: fate %q is none, or not in order", r.Why, r.Fate) {
			return
		}
		cs.place.expect(r.Why > before && len(r.Why) <= 64 && !strings.ContainsFunc(r.Why, func(c rune) bool { return c < ' ' }), what,
			"reason %q is not in order, too long or not text", r.Why)
		before = r.Why
		left[at] -= r.Records
		cs.place.expect(r.Records > 0 && left[at] >= 0, what, "more records have a reason to be %s than are", r.Fate)
	}
	flow := ""
	for _, d := range c.LateDropped {
		cs.place.expect(d.Flow > flow && d.Rows > 0, what, "%d rows of flow %q were dropped since they are late, or not in order", d.Rows, d.Flow)
		flow = d.Flow
	}
}
