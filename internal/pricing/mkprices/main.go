// Command mkprices makes the price table that package pricing embeds from a CSV file, whose
// columns are provider, region, instance_type, on_demand_usd_per_hour, spot_usd_per_hour (may be
// empty) and as_of. Run it from the repository's root:
//
//	go run ./internal/pricing/mkprices node-prices.csv
//
// The same file makes the same bytes.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

const out = "internal/pricing/prices.zip"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/pricing/mkprices FILE.csv")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mkprices:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	table, rows, err := read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	packed, err := pack(table)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, packed, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d machines in %d regions, %d kB\n", out, rows, len(table), len(packed)/1000)
	return nil
}

var header = []string{"provider", "region", "instance_type", "on_demand_usd_per_hour", "spot_usd_per_hour", "as_of"}

// region is the lines of one region, and the date that they have in common.
type region struct {
	date  string
	lines map[string]string // by instance type
}

// read reads a CSV file into regions, by provider/region.
func read(r io.Reader) (map[string]*region, int, error) {
	in := csv.NewReader(r)
	head, err := in.Read()
	if err != nil {
		return nil, 0, err
	}
	if !slices.Equal(head, header) {
		return nil, 0, fmt.Errorf("line 1: the columns are %s; they must be %s", strings.Join(head, ","), strings.Join(header, ","))
	}
	table, rows := map[string]*region{}, 0
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return table, rows, nil
		}
		if err != nil {
			return nil, 0, err
		}
		line, _ := in.FieldPos(0)
		key, name, date := row[0]+"/"+row[1], row[2], row[5]
		if strings.ContainsAny(row[0]+row[1], "/\\ ") || row[0] == "" || row[1] == "" || name == "" || strings.ContainsAny(name, ",\n") {
			return nil, 0, fmt.Errorf("line %d: provider, region or instance type is empty or holds what it must not", line)
		}
		var text strings.Builder
		text.WriteString(name)
		for i, price := range row[3:5] {
			if price == "" && i == 1 {
				continue
			}
			if n, err := strconv.ParseFloat(price, 64); err != nil || !(n > 0 && n < 10_000) {
				return nil, 0, fmt.Errorf("line %d: %s is %q; it must be a price in US dollars an hour", line, header[3+i], price)
			}
			text.WriteString("," + price)
		}
		r := table[key]
		if r == nil {
			r = &region{date: date, lines: map[string]string{}}
			table[key] = r
		}
		if r.date != date {
			return nil, 0, fmt.Errorf("line %d: as_of is %q, and earlier lines of %s have %q; a region has one date", line, date, key, r.date)
		}
		if _, twice := r.lines[name]; twice {
			return nil, 0, fmt.Errorf("line %d: %s %s is there twice", line, key, name)
		}
		r.lines[name] = text.String()
		rows++
	}
}

// pack makes the archive. It holds no times, so that the same table makes the same bytes.
func pack(table map[string]*region) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestCompression) })
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		member, err := w.CreateHeader(&zip.FileHeader{Name: key, Method: zip.Deflate})
		if err != nil {
			return nil, err
		}
		r := table[key]
		lines := []string{r.date}
		names := make([]string, 0, len(r.lines))
		for name := range r.lines {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			lines = append(lines, r.lines[name])
		}
		if _, err := io.WriteString(member, strings.Join(lines, "\n")+"\n"); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
