// Package file reads the lines or CSV records of files, plain or compressed, as a driver.Source. Each file is a partition,
// and a lane of its own unless [Options.Lane] says otherwise. A record's position is the number of the line at which it
// begins, from 1, as an editor shows it.
//
// # Promise
//
// The same line number gives the same record for as long as the file keeps its lines. A file is known by its path and by
// its first line, so other content under an old name is another partition. If a file lost lines that the job needs, the
// error matches driver.ErrLost, and nothing is skipped. A line that is too long, or a quote that is never closed, costs
// that line alone: it goes to the dead-letter flow with its file and its number. A compressed file is read through to its
// checksum before its first record is given. So a damaged file gives no record, only an error that names the byte. A file
// that was cut short gives the lines that are left, then the error.
//
// # Limits
//
// Lines may be added to a followed file and to no other; they must never be changed or removed. A renamed file is another
// partition, so its lines would come again: read a log under a name that it keeps. Other content with the same first line
// is an error of the next run, which knows a hash of what was read. But once the ledger has forgotten a file that was read
// to its end, the next run knows only the number of its lines. A file that was read to its end is new if it was away for
// more than a day while the job ran. Every process that reads the folder reads all of it; they do no harm to each other,
// but share no work.
//
// # Way in
//
// [Open] with a folder, patterns or paths; [Columns] or [Fields] to parse CSV.
package file
