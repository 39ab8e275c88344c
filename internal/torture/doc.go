// Package torture runs examples/kafka-to-s3 as real processes against real brokers and a real store, kills and pauses them
// all at random, and then compares the bucket with a log of what the brokers have acknowledged.
//
// What checks shares no code with the library: it reads the formats of docs/format.md by itself, and runs examples/verify
// on a copy of the bucket. These must hold:
//
//   - each acknowledged record is there once, aborted ones never, by manifests and by listing alike;
//   - a record is in the late folder only if it was acknowledged more than the lateness after its event time: else an
//     hour was sealed too early;
//   - the seals of an hour come after those of the hours before it, and nothing of a sealed hour ever changes.
//
// RunKinesis does the same to examples/kinesis-to-s3, on emulators: shards split and merge meanwhile, records are packed
// together, some of them badly, half of the workers read by fan-out, and the front of the emulator throttles, expires
// iterators and cuts answers. It bounds the time from the kill of a worker to the first commit of what it had, too, by the
// lease time and five seconds, where no other fault is near: all that was done before is over, and all shards were read on.
package torture
