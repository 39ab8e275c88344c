package main

import (
	"strconv"
	"time"
)

// set is a fixed set of events, each made from its number alone. The types take turns. Event time runs evenly over its
// hours, with events up to 3 seconds late; the beat of a load comes a minute after it. An event in each partition that is
// minutes later closes the set, as in a stream that goes on: by it a job knows that the hours are over.
type set struct {
	n     int
	first time.Time // start of the first hour
	span  time.Duration
}

const (
	after      = 20 * time.Minute // more than the lateness that seals allow
	partitions = 4
	everyCopy  = 100 // every so many events one comes twice: 1 %
)

// newSet makes a set whose hours are just over: a job closes all hours from its first one until now.
func newSet(n int, span time.Duration, now time.Time) set {
	return set{n, now.UTC().Truncate(time.Hour).Add(-span - time.Hour), span}
}

// last is the start of the last hour.
func (s set) last() time.Time { return s.first.Add(s.span - time.Hour) }

// lag is by how many events a beat comes after its load, less one; a multiple of the number of kinds.
func (s set) lag() int { return s.n / int(s.span/time.Minute) / len(kinds) * len(kinds) }

// beatOf is the number of the beat of load i; false if the set ends before it.
func (s set) beatOf(i int) (int, bool) { b := i + 1 + s.lag(); return b, b < s.n }

// viewOf is the number of the load that an event belongs to, if it belongs to one, or else the event's own.
func (s set) viewOf(i int) int {
	if l := i - 1 - s.lag(); s.kind(i) == beat && l >= 0 {
		return l
	}
	return i
}

// size is the number of different events, total that of records.
func (s set) size() int  { return s.n + partitions }
func (s set) total() int { return s.size() + s.copies() }

func (s set) kind(i int) kind {
	if i >= s.n {
		return click
	}
	return kind(i % len(kinds))
}

func (s set) time(i int) int64 {
	if i >= s.n {
		return s.first.Add(s.span + after).UnixMilli()
	}
	const late = 3000
	at := s.first.UnixMilli() + int64(i)*s.span.Milliseconds()/int64(s.n)
	return max(at-int64(mix(uint64(i)^0xface)%late), s.first.UnixMilli())
}

// partition keeps a load, its beat and the copies of both together.
func (s set) partition(i int) int32 {
	if i >= s.n {
		return int32(i - s.n)
	}
	return int32(mix(uint64(s.viewOf(i))^0xbeef) % partitions)
}

// copyOf is the number of the event that comes once more after event i; false if none does.
func (s set) copyOf(i int) (int, bool) {
	if i%everyCopy != everyCopy-1 {
		return 0, false
	}
	return max(0, i-int(mix(uint64(i))%1000)), true
}

func (s set) copies() int { return s.n / everyCopy }

// append appends event i, about 490 bytes of JSON.
func (s set) append(dst []byte, i int) []byte {
	r := mix(uint64(i) ^ 0xcafe)
	dst = appendHex(append(dst, `{"id":"`...), mix(uint64(i)))
	dst = appendHex(dst, mix(^uint64(i)))
	dst = strconv.AppendInt(append(dst, `","ts":`...), s.time(i), 10)
	dst = append(append(dst, `,"type":"`...), kinds[s.kind(i)]...)
	dst = strconv.AppendUint(append(dst, `","user":`...), r%200_000, 10)
	dst = append(append(dst, `,"url":"https://shop.example.com/`...), sections[r>>20%uint64(len(sections))]...)
	dst = strconv.AppendUint(append(dst, `/item/`...), mix(r)%50_000, 10)
	dst = strconv.AppendUint(append(dst, `?page=`...), r>>30%20, 10)
	dst = append(append(dst, `","referrer":"https://`...), referrers[r>>24%uint64(len(referrers))]...)
	dst = append(append(dst, `","agent":"`...), agents[r>>28%uint64(len(agents))]...)
	dst = append(dst, `","ip":"`...)
	for k := range 4 {
		if k > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, mix(r)>>(8*k)&255, 10)
	}
	dst = append(append(dst, `","country":"`...), countries[r>>34%uint64(len(countries))]...)
	dst = strconv.AppendUint(append(dst, `","width":`...), 800+r>>40%1200, 10)
	dst = strconv.AppendUint(append(dst, `,"cents":`...), r>>33%100_000, 10)
	dst = append(append(dst, `,"campaign":"spring-`...), countries[r>>44%uint64(len(countries))]...)
	dst = appendHex(append(dst, `","trace":"`...), mix(r^1))
	dst = appendHex(append(dst, `","view":"`...), mix(uint64(s.viewOf(i))^0xbeef))
	return append(dst, `","consent":"analytics,ads","version":"4.17.2"}`...)
}

func appendBeat(dst []byte, at int64) []byte {
	return append(strconv.AppendInt(append(dst, `,"beat":`...), at, 10), '}')
}

// mix is a permutation of the 64-bit numbers that looks random (splitmix64, Steele et al. 2014), unmix its inverse.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func unmix(x uint64) uint64 {
	x = (x ^ x>>31 ^ x>>62) * 0x319642b2d24d8ec3
	x = (x ^ x>>27 ^ x>>54) * 0x96de1b173f119089
	return x ^ x>>30 ^ x>>60
}

func appendHex(dst []byte, x uint64) []byte {
	const digits = "0123456789abcdef"
	for s := 60; s >= 0; s -= 4 {
		dst = append(dst, digits[x>>s&15])
	}
	return dst
}

var (
	sections  = []string{"women/shoes", "men/jackets", "kids/toys", "garden/tools", "home/kitchen", "sale"}
	referrers = []string{"www.google.com/search", "news.example.org/today/front-page", "social.example/feed", "mail.example/inbox"}
	countries = []string{"DE", "FR", "PL", "NL", "US", "BR", "JP", "IN"}
	agents    = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4",
		"Mozilla/5.0 (X11; Linux x86_64; rv:138.0) Gecko/20100101 Firefox/138.0",
	}
)
