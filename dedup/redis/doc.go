// Package redis keeps the IDs of dedup in Redis 7 or Valkey: a shared store, for IDs whose copies may come in different
// lanes.
//
// # Promise
//
// It is that of the server. Claims are as durable as its append-only file (appendfsync). A server that loses its last
// writes in a crash of the machine or a failover lets duplicates of those IDs through. A server process that is killed
// loses no claim that it has answered.
//
// Claims have a time to live in real time, since Redis forgets by itself in no other way. The store also keeps when the
// claims of each bucket began. It stops the job with dedup.ErrForgotten before it relies on claims that may be gone. It does
// so, too, once a server has lost all claims that this process knew it to have. A process that starts then cannot know.
//
// # Limits
//
// Keys of one job are in one slot of a cluster, or in as many as Options.Slots. The server must not evict (maxmemory-policy
// noeviction).
package redis
