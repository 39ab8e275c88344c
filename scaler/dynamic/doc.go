// Package dynamic is a policy of package scaler that computes the needed size from measurements. Use it alone, or as the
// correction of a scaler.Combined.
//
// # The model
//
// It is that of DS2 (V. Kalavri, J. Liagouris, M. Hoffmann, D. Dimitrova, M. Forshaw, T. Roscoe: "Three steps is all you
// need: fast, accurate, automatic scaling decisions for distributed streaming dataflows", OSDI 2018) in the form in which
// the autoscaler of the Flink Kubernetes Operator applies it (FLIP-271 and its documentation):
//
//	true rate of a copy = records done / (copies x share of time they were busy)
//	copies              = arrival / (true rate x target utilization) + backlog / (true rate x time to catch up)
//
// The true rate is measured, not guessed; DS2 shows that this makes about three steps enough, where rules on lag or CPU
// alone keep hunting. To it the policy adds what a log with consumer groups needs: the price of a rebalance, the cap by
// partitions, a prediction of the delay instead of a threshold on lag, and a check that a step has helped.
//
// # Limits
//
// The model assumes that work spreads evenly over the copies. One hot partition breaks that: the policy then notices that
// a step did not help and adds no more copies, but it cannot cure the skew.
package dynamic
