package main

import (
	"bytes"
	"strings"
	"testing"
)

const head = "provider,region,instance_type,on_demand_usd_per_hour,spot_usd_per_hour,as_of\n"

func TestRead(t *testing.T) {
	table, rows, err := read(strings.NewReader(head + "aws,b,m5.large,0.1,,2026-07-20\naws,b,m5.xlarge,0.2,0.05,2026-07-20\naws,a,m5.large,0.3,0.1,2026-07-21\n"))
	if err != nil || rows != 3 || table["aws/b"].lines["m5.xlarge"] != "m5.xlarge,0.2,0.05" || table["aws/b"].lines["m5.large"] != "m5.large,0.1" {
		t.Errorf("%+v, %d, %v", table, rows, err)
	}
	a, err := pack(table)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := pack(table); !bytes.Equal(a, b) {
		t.Error("the same table makes other bytes")
	}
	for text, want := range map[string]string{
		"provider\n":                                            "the columns are provider",
		head + "aws,b,m5.large,x,,2026-07-20\n":                 `line 2: on_demand_usd_per_hour is "x"`,
		head + "aws,b,m5.large,1,0,2026-07-20\n":                `line 2: spot_usd_per_hour is "0"`,
		head + "aws,b/c,m5.large,1,,2026-07-20\n":               "line 2",
		head + "aws,b,m,1,,2026-07-20\naws,b,m,1,,2026-07-20\n": "line 3: aws/b m is there twice",
		head + "aws,b,m,1,,2026-07-20\naws,b,n,1,,2026-07-21\n": "a region has one date",
		head + "aws,b,m,1,2026-07-20\n":                         "wrong number of fields",
	} {
		if _, _, err := read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
