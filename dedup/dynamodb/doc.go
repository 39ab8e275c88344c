// Package dynamodb keeps the IDs of dedup in an Amazon DynamoDB table: a shared store, for IDs whose copies may come in
// different lanes.
//
// # Promise
//
// Claims are conditional writes, so each ID has one holder whatever crashes. A claim that was answered is durable. DynamoDB
// deletes claims some time after their time to live, which is real time. The store keeps when the claims of each bucket
// began. It stops the job with dedup.ErrForgotten before it relies on claims that may be gone.
//
// # Cost
//
// A claim costs one write unit, even if it is lost; that of a duplicate costs half a read unit more. There is no cheaper
// way: a read first would make every new ID dearer.
//
// # Limits
//
// The times to live are counted by DynamoDB's clock, as its answers show it. A machine that was suspended dates its first
// claims afterwards too early by the length of the suspension.
package dynamodb
