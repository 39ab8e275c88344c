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

// checkFlows checks that each flow with a file or a seal of the job is the job's. Dead letters of all jobs lie in one folder,
// notes in one of the job's own.
func checkFlows(ctx context.Context, p *place, commits []*committed, closes []*closing) error {
	flows := map[string]bool{}
	for _, c := range commits {
		for i := range c.files {
			if k := c.files[i].Kind; k != "dead" && k != "note" {
				flows[c.files[i].Flow] = true
			}
		}
	}
	for _, c := range closes { // and those that get seals alone
		for _, flow := range c.close.Flows {
			flows[flow] = true
		}
	}
	for _, flow := range slices.Sorted(maps.Keys(flows)) {
		key := p.prefix + "_onceflow/.flows/" + flow + ".json"
		var c flowClaim
		_, err := control(ctx, p.b, key, maxEntry, &c)
		if errors.Is(err, errNewer) {
			return err
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("it is missing, and the job has written the flow")
		}
		if p.expect(err == nil, key, "%v", err) {
			p.expect(c.Flow == flow && c.Job == p.name, key, "it says that job %s writes flow %s, and job %s has written it", c.Job, c.Flow, p.name)
		}
	}
	return nil
}
