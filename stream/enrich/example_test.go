package enrich_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/enrich"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// The price of an article changes while the job runs.
func ExampleWith() {
	var t testing.T // a test has its own
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	type View struct{ Article, Price string }

	prices := enrich.NewTable(map[string]string{"tea": "3.20"})
	l := streamtest.Open(&t, enrich.With(prices, func(p *map[string]string, v *View) error {
		v.Price = (*p)[v.Article]
		return nil
	}))
	fmt.Println(l.Feed(at, View{Article: "tea"}))
	prices.Replace(map[string]string{"tea": "3.40"})
	fmt.Println(l.Feed(at, View{Article: "tea"}))
	// Output:
	// [{tea 3.20}]
	// [{tea 3.40}]
}
