// Package webhook is a target of deliveries that posts the name of each unit, as a [Notice], to an HTTP endpoint. The rows stay in
// the store, where the receiver reads them.
//
// # Promise
//
// A unit is loaded once only if the receiver refuses it twice. It gets a unit again if its answer was lost, from several processes
// at once too. It knows it by [Notice.Unit] and [Notice.Attempt], which the header Idempotency-Key also has, in the transaction
// that loads the rows. It answers with one of these:
//
//   - 2xx: all rows of the unit are there.
//   - 409: they were before.
//   - 422: no row is there. It refuses these rows for good. The beginning of its answer is the reason.
//   - 401 and 403: a person has to give access. The unit is posted again.
//
// Any other answer, and none, is an unknown outcome: the unit is posted again.
//
// # Way in
//
// [New], then delivery.Open. docs/delivery.md has more.
package webhook
