// Package dynamodb is a registry of batches in a table of DynamoDB. It is an audit.Registry.
//
// A registration is one item, written by one PutItem. All that it says stands in its key, so that to write it again changes
// nothing, and other numbers make another item. The partition key is the source's name and the hour of the batch, so a day is
// listed by some 25 queries, or one for each megabyte (some 9,000 batches) if that is more. One hour takes 1,000
// registrations a second, as DynamoDB limits a partition.
//
// Items have a time to live, from Options.Keep. The service deletes them within some days after that. Until it does they are
// listed as before.
//
// [Create] makes the table, [Open] uses it. It was tried with DynamoDB Local.
package dynamodb
