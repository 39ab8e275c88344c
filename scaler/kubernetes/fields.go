package kubernetes

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// pointer is a JSON pointer (RFC 6901), such as "/spec/executor/cores".
type pointer string

func (p pointer) check() error {
	if !strings.HasPrefix(string(p), "/") {
		return fmt.Errorf("%q is not a JSON pointer such as /spec/executor/cores", string(p))
	}
	return nil
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// find is what p points to; nil is nothing.
func (p pointer) find(doc any) any {
	for _, part := range strings.Split(string(p), "/")[1:] {
		switch at := doc.(type) {
		case map[string]any:
			doc = at[unescape.Replace(part)]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			doc = at[i]
		default:
			return nil
		}
	}
	return doc
}

// most is beyond what any job has, of copies and of cores.
const most = 1_000_000

// copiesOf reads a number of copies.
func copiesOf(v any) (int, error) {
	n, ok := number(v)
	if !ok || !(n >= 0 && n <= most) || n != math.Trunc(n) {
		return 0, fmt.Errorf("%v is not a number of copies", v)
	}
	return int(n), nil
}

// coresOf reads a number of cores: a number, or a quantity such as "500m".
func coresOf(v any) (float64, error) {
	if n, ok := number(v); ok && n > 0 && n <= most {
		return n, nil
	}
	if s, ok := v.(string); ok {
		if q, err := resource.ParseQuantity(s); err == nil && q.Sign() > 0 {
			if n := q.AsApproximateFloat64(); n <= most {
				return n, nil
			}
		}
	}
	return 0, fmt.Errorf("%v is not a number of cores", v)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// coresLike writes cores as old is written: a quantity stays a quantity, and a whole number must stay one, since a schema
// that has integers refuses others.
func coresLike(old any, cores float64) (any, error) {
	switch old.(type) {
	case string:
		return resource.NewMilliQuantity(int64(math.Round(cores*1000)), resource.DecimalSI).String(), nil
	case int64:
		if cores != math.Trunc(cores) {
			return nil, fmt.Errorf("%g cores are not a whole number, as %v is", cores, old)
		}
		return int64(cores), nil
	}
	return cores, nil
}
