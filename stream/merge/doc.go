// Package merge makes one stream, sorted by time, of several sorted ones: a topic of each of some Kafka clusters, or some topics of
// one cluster, with equal numbers of partitions.
//
// # Promise
//
// A lane has the partition of one number of all sides. Its records come in the order of their times: if a partition gives no record
// that is more than d behind a newer one before it, so does the lane. Records of one partition keep their order. A side that has
// nothing holds the others until its log is proved to end, which takes about half a second, not until it is silent. Records take
// effect once, as those of any source: progress is per partition, and pending records of all sides come back before new ones.
//
// # Way in
//
// [Open] takes one side that names the lanes, such as a kafka.Source, whose group shares them out among the processes of the job.
// The others, such as a kafka.Given, are read where it says. While its group cannot be reached, lanes stay where they are.
//
// # Limits
//
// Order is not replayed: after a restart records come in an order that is sorted as well. Pending records come first, so a stage
// that needs order over a restart must look at times. A side whose clock is wrong goes unsorted and holds nobody: see [Counts].
// Each side has one topic, so that a topic that is ahead can be paused alone. Partitions that end and split cannot be merged.
package merge
