// Package redis keeps values by key in Redis or Valkey, for services that read them: a keyvalue.Store. Of each key the newest value
// stays, however often and in whatever order deliveries put it.
//
// # In the server
//
// A key is a hash with two fields: "value", and "version", 48 hex digits. A reader asks for HGET <prefix><key> value; nil means that
// there is none, or that it was deleted. A script compares and replaces, one call for a key, so Redis Cluster works, too. A
// key that was deleted keeps its version for Options.Tombstone.
//
// # Limits
//
// A server that comes back empty, or that evicts keys, has lost values, and nothing here brings them back: deliver the job
// under another name to load all of it again. A failover to a replica may lose what was put in the last moment.
//
// # Way in
//
// Open with a client, keyvalue.New with a flow, then delivery.Open.
package redis
