package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
)

// flowClaim says which job writes a flow.
type flowClaim struct {
	header
	Flow string `json:"flow"`
	Job  string `json:"job"`
}

// checkFlows checks that each flow with a file or a seal of the job is the job's. Dead letters of all jobs lie in one folder.
func (l *ledger) checkFlows(ctx context.Context) error {
	flows := map[string]bool{}
	for _, c := range l.commits {
		for i := range c.files {
			if c.files[i].Kind != "dead" {
				flows[c.files[i].Flow] = true
			}
		}
	}
	for _, c := range l.closes { // and those that get seals alone
		for _, flow := range c.close.Flows {
			flows[flow] = true
		}
	}
	for _, flow := range slices.Sorted(maps.Keys(flows)) {
		key := l.prefix + "_onceflow/.flows/" + flow + ".json"
		var c flowClaim
		_, err := control(ctx, l.b, key, maxEntry, &c)
		if errors.Is(err, errNewer) {
			return err
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("it is missing, and the job has written the flow")
		}
		if l.r.expect(err == nil, key, "%v", err) {
			l.r.expect(c.Flow == flow && c.Job == l.name, key, "it says that job %s writes flow %s, and job %s has written it", c.Job, c.Flow, l.name)
		}
	}
	return nil
}
