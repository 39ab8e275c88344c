package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/stream/kafka/internal/group"
)

// Given is a Source that is in no group: it reads the lanes that it is given, as a side of a merge does. Its offsets are written
// nowhere, so lag monitors that look at groups do not see it, and a job whose store was restored does not notice by them.
type Given struct {
	*Source
	lanes *group.Given
}

// OpenGiven is Open for a Config without a Group. Until Give is called there are no lanes.
func OpenGiven(ctx context.Context, c Config, o *Options) (*Given, error) {
	opts, err := o.fill()
	if c.Group != "" {
		err = errors.Join(fmt.Errorf("the Group %q would share lanes out, and a Given reads those that it is given", c.Group), err)
	}
	if err := errors.Join(c.validate(), err); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	s, err := open(ctx, c, opts)
	if err != nil {
		return nil, err
	}
	return &Given{Source: s, lanes: s.lanes.(*group.Given)}, nil
}

// Give says which lanes are to be read from now on: those of the partitions with these numbers. Poll assigns the new ones once they
// exist, and revokes those that are not among them. Any goroutine may call it.
func (g *Given) Give(ids []string) { g.lanes.Give(ids) }
