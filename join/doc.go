// Package join merges a later event into an earlier one with the same key, such as a page load and the beat that the
// browser sends 90 seconds later, or an earlier event into many later ones.
//
// # Promise
//
// In a join of one to one, [Left] or [Inner], an event is used at most once. Two events that match, by [Options.Window] and [Options.Early], never both go unmatched,
// unless one came more than [Options.Grace] after the newest event of its lane's slowest partition. Waiting events are
// pending records: nothing is saved, and a restart reads them again. What it rebuilds from them does not depend on the
// order in which they come back.
//
// Several events may have one key. Then a right one takes the latest left one that is not later than it, as an as-of join
// does; if there is none, the earliest left one after it. A left one that comes last takes the earliest right one at or
// after it, else the latest before it. Events of the same time are ordered by partition and position.
//
// # Limits
//
// Both sides must reach one lane: one topic partitioned by the key, or topics with equal partition counts and the same
// partitioner, opened as one source.
//
// Pending events are in memory. The log must keep records for longer than Window + Grace of event time takes to pass.
//
// # Many to one
//
// [AsOf] gives one right event to any number of left ones: to each the newest one before it. Left events wait until event
// time has passed them by Grace. Then what they get follows from times and positions alone, whatever the order of arrival and
// wherever crashes fall, if nothing comes later than Grace. Right events are finished when they are read and are in memory
// for Window + Grace; after a restart the source reads so much of the log again.
package join
