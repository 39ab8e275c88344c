package merge

// SetMemory sets how many bytes of packs are read at once, and returns what undoes that.
func SetMemory(n int64) func() {
	was := memory
	memory = n
	return func() { memory = was }
}
