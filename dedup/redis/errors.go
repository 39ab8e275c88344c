package redis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/dedup"
)

// hopeless are replies that a retry does not cure. Others may pass: a failover, a server that loads, a full server.
var hopeless = []string{"NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE", "ERR syntax error", "ERR unknown command", "ERR value is not"}

func classify(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("%w (%w)", err, dedup.ErrRefused)
	}
	for _, h := range hopeless {
		if strings.HasPrefix(err.Error(), h) || strings.Contains(err.Error(), "Error running script") && strings.Contains(err.Error(), h) {
			return fmt.Errorf("%w (%w)", err, dedup.ErrRefused)
		}
	}
	return err
}
