// Package file is a sink.Store on a folder of a local disk or of a network file system.
//
// # Promise
//
// An object appears whole or not at all, and stays, even if the machine loses its power: its bytes are on the disk before
// its name is, and its name before a call returns. Any number of processes, on any number of machines that mount the
// folder, may use it at once. A killed process leaves at most files in staging, which the sweeper and later Opens remove.
//
// # How
//
// Everything is first written below _onceflow/.staging and synced. Then it gets its final name by link(2), the only call
// that never overwrites and is atomic on local disks and on NFS. Then the folder is synced. The comment in staged.go says
// how names in staging are made.
//
// # Limits
//
// The file system must have hard links, and dir must be one file system. [Open] tries that and refuses file systems that
// cannot do it: FAT and exFAT, and most of those that show an object store as a folder. Symbolic links below dir are
// refused for writing, and List ignores them. An object cannot have a key that is also a folder of other keys. On a file
// system that ignores case, as on Macs and Windows, keys that differ in case only are one. Other programs may keep files of
// their own in dir; a name that is no key is ignored.
package file
