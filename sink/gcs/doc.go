// Package gcs is a sink.Store on Google Cloud Storage. It is a module of its own, since the client brings many others.
//
// # What it needs
//
// storage.objects.create, get, list, delete and move on the bucket. It deletes only staged files. Soft delete does no harm. A
// retention policy, or a hold that new objects get by default, keeps staged files from being moved: what was committed waits
// until that is allowed. A lifecycle rule that deletes objects under <prefix>_staging/ must wait longer than a job may be
// stopped between a commit and the publication of its files. storage.buckets.get lets Open see such rules, and those that
// would delete a ledger.
//
// # What it costs
//
// A file of at most Options.ChunkBytes is one upload under a staging name. A longer one is a session and a request for each
// chunk. In both cases one objects.move to the final name makes it visible. A control object is one upload.
//
// # Staging
//
// A file whose upload has not ended is a resumable session. Nobody can list sessions, so Staged shows ended uploads only.
// The service drops a session after a week.
package gcs
