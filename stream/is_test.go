package stream_test

import (
	"fmt"
	"testing"

	"github.com/onceflow/onceflow/stream"
)

type kinded struct{ kind string }

func (k *kinded) of() string { return k.kind }

// Hits are split by their kind; what nobody knows goes to a flow of its own and not unseen to nowhere.
func ExampleIs() {
	flows := map[string]func(*kinded) bool{
		"clicks": stream.Is((*kinded).of, "click", "tap"),
		"views":  stream.Is((*kinded).of, "view"),
		"others": stream.IsNot((*kinded).of, "click", "tap", "view"),
	}
	for _, kind := range []string{"tap", "view", "swipe"} {
		for _, name := range []string{"clicks", "views", "others"} {
			if flows[name](&kinded{kind}) {
				fmt.Println(kind, "goes to", name)
			}
		}
	}
	// Output:
	// tap goes to clicks
	// view goes to views
	// swipe goes to others
}

func TestConditionsKeepTheirValues(t *testing.T) {
	kinds := []string{"a", "b"}
	is, isNot := stream.Is((*kinded).of, kinds...), stream.IsNot((*kinded).of, kinds...)
	kinds[0] = "c"
	for kind, want := range map[string]bool{"a": true, "b": true, "c": false, "": false} {
		if e := (&kinded{kind}); is(e) != want || isNot(e) == want {
			t.Errorf("%q: Is %v, IsNot %v; want %v and its contrary", kind, is(e), isNot(e), want)
		}
	}
	if e := (&kinded{"a"}); stream.Is((*kinded).of)(e) || !stream.IsNot((*kinded).of)(e) {
		t.Error("of no values: Is is true of an event, or IsNot is not")
	}
}

// The cost of choosing among flows for an event: one condition each, beside a function that names the flow once.
func BenchmarkConditions(b *testing.B) {
	for _, n := range []int{6, 30} {
		var is []func(*kinded) bool
		var in []kinded
		place := map[string]int{}
		for i := range n {
			kind := fmt.Sprint("kind of hit ", i)
			is, in, place[kind] = append(is, stream.Is((*kinded).of, kind)), append(in, kinded{kind}), i
		}
		found, i := 0, 0
		b.Run(fmt.Sprintf("flows=%d/conditions", n), func(b *testing.B) {
			for b.Loop() {
				for _, f := range is {
					if f(&in[i%n]) {
						found++
					}
				}
				i++
			}
		})
		b.Run(fmt.Sprintf("flows=%d/named", n), func(b *testing.B) {
			for b.Loop() {
				found += place[in[i%n].of()]
				i++
			}
		})
		if found == 0 {
			b.Error("nothing was found")
		}
	}
}
