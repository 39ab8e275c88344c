// Package manifest has what readers of a job's output meet: the manifest of a transaction, that of an hour, and the files in
// them. sink.Committed and sink.Hours read them; docs/format.md says where the objects lie.
package manifest
