// Package redis keeps the IDs of dedup in Redis 7 or Valkey: a shared store, for IDs whose copies may come in different
// lanes.
//
// # Promise
//
// It is that of the server. Claims are as durable as its append-only file (appendfsync): one that loses its last writes
// in a crash of the machine or a failover lets the duplicates of those IDs through. A process of the server that is
// killed loses nothing that it has answered.
//
// Claims have a time to live in real time, since nothing else lets Redis forget by itself. Beside them the store keeps
// when the claims of each bucket began, and stops the job with dedup.ErrForgotten before it relies on claims that may
// have gone.
//
// # Limits
//
// Keys of one job are in one slot of a cluster, or in as many as Options.Slots. The server must not evict
// (maxmemory-policy noeviction).
package redis
