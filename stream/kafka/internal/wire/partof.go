package wire

// MaxAnswer is the most bytes that our requests allow in an answer; a single batch may be larger.
const MaxAnswer = 16 << 20

// PartOf is a partition as an answer names it: by the topic's ID or, from an old broker, by its name.
type PartOf struct {
	topic string
	num   int32
}

// Of names a partition as Conn.ByID says.
func Of(id [16]byte, topic []byte, num int32, byID bool) PartOf {
	if byID {
		topic = id[:]
	}
	return PartOf{string(topic), num}
}
