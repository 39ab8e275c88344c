package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/onceflow/onceflow/internal/ledger"
)

// findClaims reads the claims of the flows, without making any, and refuses a flow that is another job's.
func (k *keeper) findClaims(ctx context.Context) error {
	k.claimed = make([]bool, len(k.flowNames))
	return k.env.Each(ctx, len(k.flowNames), func(ctx context.Context, i int) (err error) {
		k.claimed[i], err = k.claimOf(ctx, k.flowNames[i])
		return err
	})
}

// claimOf reports whether the flow is ours. The error says that it is another's.
func (k *keeper) claimOf(ctx context.Context, flow string) (bool, error) {
	key := ledger.FlowClaimKey(k.opts.Prefix, flow)
	body, err := k.store.Read(ctx, key, ledger.MaxFlowClaim)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read whose the flow %q is: %w", flow, err)
	}
	c, err := ledger.DecodeFlowClaim(body)
	if err != nil {
		return false, fmt.Errorf("read whose the flow %q is: %s: %w", flow, key, err)
	}
	if c.Job != k.job || c.Flow != flow {
		return false, fmt.Errorf("the object %s says that the flow %q of the folder %q is written by the job %q, and this is the job %q: "+
			"readers of the flow would get the rows of both; give the flow another name, or write to another Options.Prefix",
			key, c.Flow, k.opts.Prefix, c.Job, k.job)
	}
	return true, nil
}

// claimFlows makes the claims that are missing, or refuses a flow that another job has claimed since. It goes by name, so
// of jobs that want the same flows at once one gets them all.
func (k *keeper) claimFlows(ctx context.Context) error {
	for i, flow := range k.flowNames {
		if k.claimed[i] {
			continue
		}
		body, err := (&ledger.FlowClaim{Flow: flow, Job: k.job}).Encode()
		if err != nil {
			return err
		}
		err = k.store.Create(ctx, ledger.FlowClaimKey(k.opts.Prefix, flow), body)
		if errors.Is(err, fs.ErrExist) { // another job's, or that of another instance, or our own whose reply was lost
			var ok bool
			if ok, err = k.claimOf(ctx, flow); err == nil && !ok {
				err = errors.New("it exists, and is not there: the store does not keep its contract")
			}
		}
		if err != nil {
			return fmt.Errorf("claim the flow %q: %w", flow, err)
		}
		k.claimed[i] = true
	}
	return nil
}
