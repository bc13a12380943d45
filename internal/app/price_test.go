package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.csv")
	if err := os.WriteFile(file,
		[]byte("instance_type,usd_per_hour,capacity_type,region,provider\nm5.large,0.05,on-demand,cellar-1,\nrack-1,0,,,\n"+
			"c3,2000,,,openstack\nd1,1,spot,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := "PRICES_FILE=" + file
	tests := []struct {
		name string
		args string
		env  []string
		out  string // what is printed: all of it if it ends a line, else what it contains
		err  string // what the error contains; the exit code is then 2
	}{
		{name: "a region", args: "m5.large --region us-east-1", out: `
TYPE       PROVIDER   REGION      CAPACITY    PRICE       PER MONTH   SOURCE
m5.large   aws        us-east-1   on-demand   $0.096/h    $70.08      AWS list price of 2026-07-20
m5.large   aws        us-east-1   spot        $0.0317/h   $23.13      AWS spot average of 2025-05-28
`},
		{name: "flags first, spot price unknown, discount",
			args: "--region=eastus --capacity spot -provider azure Standard_D2s_v3", env: []string{"PRICE_DISCOUNT=50"}, out: `
TYPE              PROVIDER   REGION   CAPACITY   PRICE        PER MONTH   SOURCE
Standard_D2s_v3   azure      eastus   spot       ≤ $0.048/h   ≤ $35.04    Azure list price of 2026-06-18, 50% off
`},
		{name: "the cheapest regions, one of them the user's", args: "m5.large --capacity on-demand", env: []string{own},
			out: `
TYPE       PROVIDER   REGION       CAPACITY    PRICE      PER MONTH   SOURCE
m5.large   any        cellar-1     on-demand   $0.05/h    $36.50      PRICES_FILE
m5.large   aws        us-east-1    on-demand   $0.096/h   $70.08      AWS list price of 2026-07-20
m5.large   aws        us-east-2    on-demand   $0.096/h   $70.08      AWS list price of 2025-05-28
m5.large   aws        us-west-2    on-demand   $0.096/h   $70.08      AWS list price of 2025-05-28
m5.large   aws        ap-south-1   on-demand   $0.101/h   $73.73      AWS list price of 2025-05-28

Prices of m5.large are known in 34 regions; these are the 5 cheapest. Name one with --region.
`},
		{name: "free, anywhere", args: "rack-1 --capacity on-demand", env: []string{own}, out: `
TYPE     PROVIDER   REGION   CAPACITY    PRICE   PER MONTH   SOURCE
rack-1   any        any      on-demand   $0/h    $0          PRICES_FILE
`},
		{name: "a platform of the user's alone", args: "c3 --provider openstack --capacity spot", env: []string{own}, out: `
TYPE   PROVIDER    REGION   CAPACITY   PRICE      PER MONTH    SOURCE
c3     openstack   any      spot       $2,000/h   $1,460,000   PRICES_FILE
`},
		{name: "help", args: "--help", out: "usage: rollcall price TYPE"},
		{name: "no type", err: "name one instance type, for example: rollcall price m5.large"},
		{name: "two types", args: "m5.large --region us-east-1 c5.large", err: "name one instance type"},
		{name: "misspelt flag", args: "m5.large --regoin us-east-1", err: "there is no flag --regoin; is --region meant?"},
		{name: "flag without a value", args: "m5.large --region", err: "flag needs an argument: -region"},
		{name: "misspelt type", args: "m5.lrage", err: `no price of "m5.lrage" is known; is m5.large meant?`},
		{name: "capital letters", args: "M5.Large --region us-east-1 --capacity on-demand", out: "$0.096/h"},
		{name: "sources", args: "--sources", out: "github.com/cristim/ec2-instances-info             MIT, data of ec2instances.info"},
		{name: "sources and more", args: "m5.large --sources", err: "--sources goes alone"},
		{name: "misspelt region", args: "m5.large --region us-esat-1",
			err: `no prices are known in the region "us-esat-1"; is us-east-1 meant?`},
		{name: "misspelt provider", args: "m5.large --provider azuer", err: `the provider "azuer" is not known; write azure`},
		{name: "unknown provider", args: "m5.large --provider mainframe", err: "write aws, azure, gcp"},
		{name: "a region of another provider", args: "m5.large --provider aws --region eastus",
			err: "the region eastus is of azure, not of aws"},
		{name: "a type that the region has not", args: "m5.large --region eastus",
			err: `no price of "m5.large" is known in eastus, but in 33 regions; us-east-1 is the cheapest of them`},
		{name: "only a spot price", args: "d1 --capacity on-demand", env: []string{own},
			err: `no on-demand price of "d1" is known`},
		{name: "misspelt capacity", args: "m5.large --capacity ondemand",
			err: `--capacity "ondemand" is not known; write on-demand`},
		{name: "no such file", args: "m5.large", env: []string{"PRICES_FILE=" + file + "x"}, err: "PRICES_FILE: stat "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code, err := Main(t.Context(), append([]string{"price"}, strings.Fields(test.args)...), test.env, &stdout, &stderr)
			if (code == ExitMistake) != (test.err != "") || (err != nil) != (test.err != "") || code == ExitFailed {
				t.Errorf("code %d, error %v", code, err)
			}
			if !strings.Contains(fmt.Sprint(err), test.err) {
				t.Errorf("got  %v\nwant …%s…", err, test.err)
			}
			// Prices become old, whereas a test does not.
			got := strings.NewReplacer(", which is old", "", " (old)", "").Replace(stdout.String())
			out := strings.TrimPrefix(test.out, "\n")
			if !strings.HasSuffix(out, "\n") && strings.Contains(got, out) {
				out = got
			}
			if diff := cmp.Diff(out, got); diff != "" || stderr.Len() > 0 {
				t.Errorf("-want +got:\n%s%s", diff, stderr.String())
			}
		})
	}
}
