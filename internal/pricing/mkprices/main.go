// Command mkprices makes the built-in table of prices anew from a CSV; package pricing tells its
// columns. It is run in the repository's root:
//
//	go run ./internal/pricing/mkprices [-spot-as-of PROVIDER=DATE] FILE.csv
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"rollcall/internal/pricing"
)

func main() {
	out := flag.String("o", "internal/pricing/prices.zip", "where to write the table")
	spotAsOf := map[string]string{}
	flag.Func("spot-as-of", "`PROVIDER=DATE` of spot prices that are not of the rows' own date; may be repeated",
		func(s string) error {
			provider, date, _ := strings.Cut(s, "=")
			if _, err := time.Parse(time.DateOnly, date); err != nil {
				return fmt.Errorf("write for example aws=2025-05-28")
			}
			spotAsOf[provider] = date
			return nil
		})
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: mkprices [-o FILE.zip] [-spot-as-of PROVIDER=DATE] FILE.csv")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out, spotAsOf); err != nil {
		fmt.Fprintln(os.Stderr, "mkprices:", err)
		os.Exit(1)
	}
}

func run(in, out string, spotAsOf map[string]string) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	table, rows, err := pricing.Pack(f, spotAsOf)
	if err != nil {
		return fmt.Errorf("%s:\n%w", in, err)
	}
	if err := os.WriteFile(out, table, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d prices, %d bytes\n", out, rows, len(table))
	return nil
}
