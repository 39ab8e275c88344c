package ledger

import (
	"errors"
	"fmt"
)

// FlowClaim says which job has a flow's folders. It is created before the job's first file there, and never deleted.
type FlowClaim struct {
	Flow string // name
	Job  string // that writes it
}

// FlowClaims is the folder of the claims of all jobs below a prefix, which is empty or ends in a slash.
func FlowClaims(prefix string) string { return prefix + "_onceflow/.flows/" }

// FlowClaimKey is the key of a flow's claim.
func FlowClaimKey(prefix, flow string) string { return FlowClaims(prefix) + flow + ".json" }

type flowClaimJSON struct {
	blobHeader
	Flow string `json:"flow"`
	Job  string `json:"job"`
}

func (c *FlowClaim) check() error {
	return errors.Join(checkName("flow", c.Flow), checkName("job", c.Job))
}

// Encode returns the object of c.
func (c *FlowClaim) Encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("ledger: flow: %w", err)
	}
	return pack(&flowClaimJSON{blobHeader{Format, MinReader}, c.Flow, c.Job})
}

// DecodeFlowClaim reads the claim of a flow. The error is a *VersionError if a newer version is needed, else a *CorruptError.
func DecodeFlowClaim(body []byte) (*FlowClaim, error) {
	const object = "flow"
	j := new(flowClaimJSON)
	h, err := open(object, body, MaxFlowClaim, j)
	if err != nil {
		return nil, err
	}
	c := &FlowClaim{j.Flow, j.Job}
	if err := c.check(); err != nil {
		return nil, corrupt(object, "%v", err)
	}
	return c, canonical(object, body, h, func() ([]byte, error) { return pack(j) })
}
