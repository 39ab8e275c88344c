// Package file reads the lines or CSV records of files, plain or compressed, as a driver.Source. Each file is a
// partition, and a lane of its own unless [Options.Lane] says otherwise; a record's position is the number of the line at which it begins, from 1, as an
// editor shows it.
//
// # Promise
//
// The same line number gives the same record for as long as the file keeps its lines. A file is known by its path and
// by its first line, so other content under an old name is another partition. A file that lost lines which the job needs
// is an error that matches driver.ErrLost, and nothing is skipped. A line that is too long, or a quote that is never
// closed, costs that line alone: it goes to the dead-letter flow with its file and its number. A compressed file is read
// through to its checksum before its first record is given, so a damaged one gives none but an error that names the byte;
// one that was cut short gives the lines that are left, then the error.
//
// # Limits
//
// Lines may be added to a followed file and to no other; they are never changed or taken away. A renamed file is another
// partition, so its lines would come again: read a log under a name that it keeps. Other content that begins with the
// same first line is an error of the next run, which knows a hash of what was read; of a file that was read to its end, and
// forgotten by the ledger, no more than the number of its lines is known then. A file that was read to its end and was away
// for more than a day while the job ran is a new one if it comes back. Every process that reads the
// folder reads all of it; they do no harm to each other, but share no work.
//
// # Way in
//
// [Open] with a folder, patterns or paths; [Columns] or [Fields] to parse CSV.
package file
