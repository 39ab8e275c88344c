package kafka

import (
	"encoding/base64"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// identities knows which topic had each name when it was seen first. Its zero value is ready; Source.mu guards it.
type identities struct {
	ids    map[string][16]byte
	astray map[string]time.Time       // since when a name is missing or another topic's
	read   map[record.Partition]*part // all that were ever started here
}

// strayed compares v with what is known and returns a topic that was made again or deleted, once that is sure, and
// whether any looks so.
func (k *identities) strayed(v *view, now time.Time) (name string, id [16]byte, why string, any bool) {
	if k.ids == nil {
		k.ids, k.astray, k.read = map[string][16]byte{}, map[string]time.Time{}, map[record.Partition]*part{}
	}
	for n, t := range v.topics {
		if _, ok := k.ids[n]; !ok {
			k.ids[n] = t.id
		}
	}
	for n, id := range k.ids {
		t := v.topics[n]
		if t != nil && t.id == id {
			delete(k.astray, n)
			continue
		}
		any = true
		since, ok := k.astray[n]
		switch {
		case !ok:
			k.astray[n] = now
		case t != nil && now.Sub(since) >= confirm:
			return n, id, "the topic was made again, with the ID " + base64.RawURLEncoding.EncodeToString(t.id[:]), true
		case now.Sub(since) >= forgotten:
			return n, id, "the topic was deleted", true
		}
	}
	return "", id, "", any
}

// identify makes Poll fail if a topic is not the one it was, and reports whether all are.
func (s *Source) identify(v *view) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, id, why, any := s.known.strayed(v, time.Now())
	if why != "" {
		lost := &LostError{Partition: v.partition(&topic{name: name, id: id}, 0), To: -1, Why: why}
		for _, p := range s.known.read {
			if p.id == id && p.plan.consumed >= lost.From {
				lost.Partition, lost.From = *p.name, p.plan.consumed
			}
		}
		s.failLocked(lost)
	}
	if any {
		s.wakeRouter() // to be sure soon
	}
	return !any
}
