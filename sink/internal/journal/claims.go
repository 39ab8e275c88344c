package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/onceflow/onceflow/internal/ledger"
)

// Claims say that flows are a job's. They are for one goroutine.
type Claims struct {
	folder *Folder
	flows  []string
	made   []bool // by flow: its claim is there, and ours
}

// Claims reads the claims of the flows and refuses a flow that is another job's. It makes no claim.
func (f *Folder) Claims(ctx context.Context, flows []string) (*Claims, error) {
	c := &Claims{f, flows, make([]bool, len(flows))}
	err := f.Objects.Env.Each(ctx, len(flows), func(ctx context.Context, i int) (err error) {
		c.made[i], err = f.Claimed(ctx, flows[i])
		return err
	})
	return c, err
}

// Claimed reports whether the job has claimed a flow. It returns an error if another job has.
func (f *Folder) Claimed(ctx context.Context, flow string) (bool, error) {
	key := ledger.FlowClaimKey(f.Prefix, flow)
	body, err := f.Objects.Store.Read(ctx, key, ledger.MaxFlowClaim)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read whose the flow %q is: %w", flow, err)
	}
	was, err := ledger.DecodeFlowClaim(body)
	if err != nil {
		return false, fmt.Errorf("read whose the flow %q is: %s: %w", flow, key, err)
	}
	if was.Job != f.Job || was.Flow != flow {
		return false, fmt.Errorf("the object %s says that the flow %q of the folder %q is written by the job %q, and this is the job %q: "+
			"readers of the flow would get the rows of both; give the flow another name, or write to another Options.Prefix",
			key, was.Flow, f.Prefix, was.Job, f.Job)
	}
	return true, nil
}

// Make makes the missing claims. It refuses a flow that another job has claimed since. It goes in the order of names, so of
// jobs that want the same flows at once one gets them all.
func (c *Claims) Make(ctx context.Context) error {
	for i, flow := range c.flows {
		if c.made[i] {
			continue
		}
		body, err := (&ledger.FlowClaim{Flow: flow, Job: c.folder.Job}).Encode()
		if err != nil {
			return err
		}
		err = c.folder.Objects.Store.Create(ctx, ledger.FlowClaimKey(c.folder.Prefix, flow), body)
		if errors.Is(err, fs.ErrExist) { // another job's, or that of another instance, or our own whose reply was lost
			var ok bool
			if ok, err = c.folder.Claimed(ctx, flow); err == nil && !ok {
				err = errors.New("it exists, and is not there: the store does not keep its contract")
			}
		}
		if err != nil {
			return fmt.Errorf("claim the flow %q: %w", flow, err)
		}
		c.made[i] = true
	}
	return nil
}
