package format_test

import (
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/onceflow/onceflow/sink/format"
)

// A purchase in a shop.
type purchase struct {
	Item  string    `json:"item"`
	Price float64   `json:"price"`
	At    time.Time `json:"at"`
}

// The same rows in three formats. A Sink does what print does, for each file of a flow.
func Example() {
	columns := func(r *format.Row, p *purchase) {
		r.String(p.Item)
		r.Float(p.Price)
		r.Time(p.At)
	}
	line := func(dst []byte, p *purchase) ([]byte, error) {
		return strconv.AppendQuote(dst, p.Item), nil
	}
	print(format.JSONLines[purchase]())
	print(format.CSV([]string{"item", "price", "at"}, columns, &format.CSVOptions{LF: true}))
	print(format.Lines(".txt", line))
	// Output:
	// .jsonl
	// {"item":"tea, green","price":3.5,"at":"2025-05-01T06:00:00Z"}
	// .csv
	// item,price,at
	// "tea, green",3.5,2025-05-01T06:00:00Z
	// .txt
	// "tea, green"
}

func print(f format.Format[purchase]) {
	row := purchase{"tea, green", 3.5, time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)}
	enc := f.Open()
	file, err := enc.Encode(enc.Header(nil), &row)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n%s", f.Ext(), file)
}
