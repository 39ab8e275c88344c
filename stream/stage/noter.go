package stage

import "github.com/onceflow/onceflow/stream/record"

// Noter is a processor that writes notes of the records that pass it, such as which of them it saw. The notes lie beside the
// flows, in folders that are never sealed; sink.OpenNotes reads them.
//
// The notes of a transaction are those of all records that its lanes read in it, pending ones too, and of no others. A
// pending record passes again after a restart, so notes may say the same twice.
type Noter interface {
	// Notes returns what there is to write of all records since its last call, and begins anew. The engine calls it at each
	// cut of the lane. What it returns is the engine's.
	Notes() []record.Note

	// Buried tells that a record became a dead letter. r is the record as the source gave it, or what is still known of it:
	// one that was pending has no bytes unless stream.Options.KeepRecords is set. r is valid during the call. It may be
	// called several times for a record, and for one that did not pass, since a stage before this one rejected it.
	Buried(r *record.Record)
}
