package cluster

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// confirm is how long a fact that ends the job must last, since brokers learn of changes one after the other.
	confirm = time.Second

	// forgotten is how long a topic must be missing until it counts as deleted.
	forgotten = 30 * time.Second
)

// Topics knows the first topic that had each name, and for how long topics keep records. Its zero value is ready; it is
// safe for concurrent use.
type Topics struct {
	mu     sync.Mutex
	ids    map[string][16]byte
	astray map[string]time.Time     // since when a name is missing or another topic's
	keeps  map[string]time.Duration // of topics whose settings are known; not positive: for ever
}

// Gone is a topic that was deleted or made again.
type Gone struct {
	Name string
	ID   [16]byte
	Why  string
}

// Check compares v with the known topics. same says that each known name still has its topic. gone is a topic that was
// certainly deleted or made again.
func (k *Topics) Check(v *View) (same bool, gone *Gone) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil {
		k.ids, k.astray = map[string][16]byte{}, map[string]time.Time{}
	}
	for n, t := range v.Topics {
		if _, ok := k.ids[n]; !ok {
			k.ids[n] = t.ID
		}
	}
	now := time.Now()
	same = true
	for n, id := range k.ids {
		t := v.Topics[n]
		if t != nil && t.ID == id {
			delete(k.astray, n)
			continue
		}
		same = false
		since, ok := k.astray[n]
		switch {
		case !ok:
			k.astray[n] = now
		case t != nil && now.Sub(since) >= confirm:
			return false, &Gone{n, id, "the topic was made again, with the ID " + base64.RawURLEncoding.EncodeToString(t.ID[:])}
		case now.Sub(since) >= forgotten:
			return false, &Gone{n, id, "the topic was deleted"}
		}
	}
	return same, nil
}

// Doubtful reports whether a topic seems to be gone, or its name to have another topic.
func (k *Topics) Doubtful() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.astray) > 0
}

// Learn asks for the settings of the topics that are new in v, and returns those that are compacted, sorted.
func (k *Topics) Learn(ctx context.Context, c *Cluster, v *View) (compacted []string, err error) {
	k.mu.Lock()
	names := slices.DeleteFunc(v.Names(), func(n string) bool { _, ok := k.keeps[n]; return ok })
	k.mu.Unlock()
	if len(names) == 0 {
		return nil, nil
	}
	set, err := c.settings(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("kafka: the settings of topics: %w; they tell whether a topic is compacted, and need DescribeConfigs; Options.AssumeComplete goes on without them", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keeps == nil {
		k.keeps = map[string]time.Duration{}
	}
	for name, t := range set {
		k.keeps[name] = time.Duration(t.retention) * time.Millisecond
		if t.compacted() {
			compacted = append(compacted, name)
		}
	}
	slices.Sort(compacted)
	return compacted, nil
}

// Retention is for how long a topic keeps records. It is not positive if that is for ever or unknown.
func (k *Topics) Retention(topic string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keeps[topic]
}
