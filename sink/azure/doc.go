// Package azure is a sink.Store on Azure Blob Storage. It is a module of its own, since the client brings others. It was run
// on Azurite, the emulator of the service's maker, and never on an account of Azure.
//
// # What it needs
//
// A container in an account without a hierarchical namespace: such an account has folders that are objects, and lists them in
// another order. Open refuses one if it may ask. The caller may create, read, list and delete blobs; the role Storage Blob Data
// Contributor can, and so can a signature (SAS) with the permissions "rcwdl". Only staged files are deleted.
//
// Open cannot see the account's lifecycle management policies, since only the management of the account can. A policy that
// deletes blobs must leave the ledger alone (_onceflow/), and must wait with <prefix>_staging/ for longer than a job may be
// stopped between a commit and the publication of its files. Soft delete and versions do no harm, and keep each staged file
// for as long as they keep what was deleted, which costs. An immutability policy or a legal hold on the container forbids
// to delete staged files, so files cannot be published.
//
// # What it costs
//
// A file of at most Options.BlockBytes is one Put Blob under a staging name. A longer one is a Put Block for each block, and a
// Put Block List. A Copy Blob From URL within the account makes it visible under its final name, and a Delete Blob, which is
// free, removes the staged one. A file of more than 256 MiB is copied by a Get Block List, a Put Block From URL for each 64 MiB
// and a Put Block List. A control object is one Put Blob.
//
// # Names and order
//
// The service drops a dot at the end of a part of a name. So a part of a key that ends with a dot ends with ".!" in the name of the
// blob; the sink writes no such keys unless its prefix or the job's name has one. Objects whose names have characters beyond
// U+FFFF, or such dots, are sorted here, which keeps as many of them in memory as lie together.
//
// # Staging
//
// A staged file is a blob below <prefix>_staging/, which List leaves out. Blocks of a file whose upload has not ended are shown by
// no listing of this package, so Staged shows ended uploads only. The service drops such blocks after a week.
package azure
