package pack

import "crypto/sha256"

// Slots is the number of slots.
const Slots = 256

// Slot is the slot of a key path: the first byte of its SHA-256. So the slots have about as many keys each, whatever the
// keys are.
func Slot(path string) int { return slotOf([]byte(path)) }

// Key is a key path and its slot.
type Key struct {
	Path string
	Slot int
}

// KeyOf is the Key of a path.
func KeyOf(path string) Key { return Key{path, Slot(path)} }

func slotOf(path []byte) int {
	sum := sha256.Sum256(path)
	return int(sum[0])
}
