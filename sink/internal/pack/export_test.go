package pack

import "hash/crc32"

// Sealed is the place of a segment whose list of groups is b, whatever that says.
func Sealed(b []byte, data int64) Place {
	p := Place{Index: int64(len(b)), Bytes: data, CRC32C: crc32.Checksum(b, castagnoli)}
	d := decoder{b: b}
	for range d.count(6) {
		d.number()
		d.doubled()
		d.sum()
	}
	for range d.count(4) {
		d.number()
		d.bytes(d.number())
		for range d.count(2) {
			raw, _ := d.doubled()
			p.Raw += raw
			p.Rows += d.number()
		}
	}
	return p
}
