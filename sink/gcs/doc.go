// Package gcs is a sink.Store on Google Cloud Storage. It is a module of its own, since the client brings many others.
//
// # What it needs
//
// storage.objects.create, get, list, delete and move on the bucket. It deletes nothing but staged files. Soft delete and
// retention policies do no harm, a lifecycle rule that deletes objects under <prefix>_staging/ does: it must wait longer
// than a job may be stopped between a commit and the publication of its files. storage.buckets.get lets Open see such rules,
// and those that would delete a ledger.
//
// # What it costs
//
// A file of at most Options.ChunkBytes is one upload under a staging name; a longer one is a session and a request for each
// chunk. Either way one objects.move to its final name makes it visible. A control object is one upload.
//
// # Staging
//
// A file whose upload has not ended is a resumable session, which nobody can list; the service drops it after a week. So
// Staged shows ended uploads only.
package gcs
