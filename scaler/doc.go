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
// Static follows a calendar. Dynamic computes the needed size from measurements. Combined takes the calendar as the
// floor and the measurements as the correction. All of them are deterministic: the same inputs in the same order give
// the same decisions, also across a restart if the Scaler has a Memory.
//
// # The model
//
// Dynamic uses the model of DS2 (V. Kalavri, J. Liagouris, M. Hoffmann, D. Dimitrova, M. Forshaw, T. Roscoe: "Three
// steps is all you need: fast, accurate, automatic scaling decisions for distributed streaming dataflows", OSDI 2018)
// in the form in which the autoscaler of the Flink Kubernetes Operator applies it (FLIP-271 and its documentation):
//
//	true rate of a copy = records done / (copies x share of time they were busy)
//	copies              = arrival / (true rate x target utilization) + backlog / (true rate x time to catch up)
//
// The true rate is measured, not guessed; DS2 shows that this makes about three steps enough, where rules on lag or CPU
// alone keep hunting. To it Dynamic adds what a log with consumer groups needs: the price of a rebalance, the cap by
// partitions, a prediction of the delay instead of a threshold on lag, and a check that a step has helped.
//
// # Limits
//
// The model assumes that work spreads evenly over the copies. One hot partition breaks that: the Scaler then notices that
// a step did not help and stops adding copies, but it cannot cure the skew. A job is one stage to it: it does not
// distribute copies over several.
//
// Missing data never means that there is no lag. A value that is absent, stale, negative or not a number is ignored with
// a reason, and without the values it needs a policy keeps the present size.
package scaler
