// Package onceflow is the root of a library for stream stages whose output is exactly right: every input record takes
// effect once, all flows of a batch become visible or none, and each hour's folder is sealed when, and only when, all of
// its data is in. The packages to import are stream, sink, seal, dedup, join and scaler; README.md says where to begin.
package onceflow
