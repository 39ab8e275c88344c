// Package scaler decides how many copies of a service should run, and tells why. It keeps data fresh at the least cost:
// more copies in the known rush hours, more again when lag grows in spite of them, fewer afterwards, without thrash.
//
// A Scaler reads signals (what arrives, what is done, what waits), asks a policy which size the job should have, and
// gives a target the new size. Each step leaves one Decision that holds the inputs, what each policy wanted, what was
// done and why. The package takes numbers and imports nothing else of this module, so it serves any job that can be
// measured and resized; alone it needs the standard library only.
//
// # Policies
//
// Package calendar follows a plan. Package dynamic computes the needed size from measurements. Combined takes the first as
// the floor and the second as the correction. All of them are deterministic: the same inputs in the same order give the
// same decisions, also across a restart if the Scaler has a Memory. A policy of your own has one method.
//
// # Limits
//
// A job is one stage to the Scaler: it does not distribute copies over several.
//
// Missing data never means that there is no lag. A value that is absent, stale, negative or not a number is ignored with
// a reason, and without the values it needs a policy keeps the present size.
package scaler
