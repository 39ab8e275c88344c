// Package driver is the door for authors of stores. A [Store] keeps immutable objects and stages files that stay invisible
// until they are published; sink/file, sink/s3, sink/gcs and sink/azure are stores, and sinktest.Run checks one.
//
// Two interfaces are optional: [Describer], by which a Store tells what it cannot do, and [Gatherer], by which an Upload
// tells how much it keeps in memory.
package driver
