package argocd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// scalar is a number as it is written: with or without quotes.
type scalar struct {
	text  string
	quote byte // 0 is none
}

// most is beyond what any application has, of copies and of cores.
const most = 1_000_000

// ambiguous reports whether readers read s in two ways: YAML 1.1 reads 010 as 8, and not all take +4 for a number.
func (s scalar) ambiguous() bool {
	return len(s.text) > 1 && s.text[0] == '0' && '0' <= s.text[1] && s.text[1] <= '9' || strings.HasPrefix(s.text, "+")
}

// copies reads a number of copies.
func (s scalar) copies() (int, error) {
	n, err := strconv.Atoi(s.text)
	if err != nil || n < 0 || n > most || s.ambiguous() {
		return 0, fmt.Errorf("%q is not a number of copies", s.text)
	}
	return n, nil
}

// cores reads a number of cores, or a quantity of Kubernetes in thousandths such as "500m".
func (s scalar) cores() (float64, error) {
	number, milli := strings.CutSuffix(s.text, "m")
	n, err := strconv.ParseFloat(number, 64)
	if milli {
		n /= 1000
	}
	if err != nil || !(n > 0 && n <= most) || s.ambiguous() {
		return 0, fmt.Errorf("%q is not a number of cores", s.text)
	}
	return n, nil
}

// coresLike writes cores in thousandths if s is, or if they are not whole and s is a text.
func (s scalar) coresLike(cores float64) string {
	if strings.HasSuffix(s.text, "m") {
		return strconv.Itoa(int(math.Round(cores*1000))) + "m"
	}
	return strconv.FormatFloat(cores, 'f', -1, 64)
}

func (s scalar) String() string {
	if s.quote == 0 {
		return s.text
	}
	return string(s.quote) + s.text + string(s.quote)
}
