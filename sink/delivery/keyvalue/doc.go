// Package keyvalue is a target of deliveries for stores of keys and values, from which services read: of each key the newest
// value stays.
//
// # Promise
//
// Each value has a [Version]. A [Store] replaces a value only by one of a later version, so it does not matter how often, in
// which order and by how many processes rows are put: what stays is what would stay if each had been put once, in order. A
// deleted key keeps its version for a while, so that an older row does not bring it back.
//
// A unit is not visible at once, but row by row. Of a unit that is refused no row is put.
//
// # Way in
//
// [New], then delivery.Open. Package sink/delivery/redis has a Store; an adapter to another server implements [Store], whose
// comment says what it must do, and passes deliverytest.Run.
package keyvalue
