package pricing

import (
	"cmp"
	"math"
	"strings"
	"testing"

	"rollcall/internal/fleet"
)

// TestTerms holds what the price of a machine is that depends on more than its type and region.
func TestTerms(t *testing.T) {
	aws := func(kind, capacity string, terms fleet.Terms) fleet.Machine {
		return fleet.Machine{Provider: "aws", Region: "us-west-2", InstanceType: kind, CapacityType: capacity, Terms: terms}
	}
	gcp := func(kind, capacity string, terms fleet.Terms) fleet.Machine {
		return fleet.Machine{Provider: "gcp", Region: "us-central1", InstanceType: kind, CapacityType: capacity, Terms: terms}
	}
	lax, wavelength := fleet.Terms("edge=us-west-2-lax-1a"), fleet.Terms("edge=us-east-1-wl1-nyc-wlz-1")
	const own = "instance_type,usd_per_hour,region,terms\nm5.large,0.05,,\nM5.Large,0.3,,Windows\n" +
		"m5.xlarge,0.1,us-west-2,\nm5.large,0.4,,windows+dedicated"
	for _, tt := range []struct {
		name    string
		machine fleet.Machine
		csv     string
		usd     float64 // 0: no price
		mark    string  // of a bound
		source  string  // is part of it
	}{
		{"a local zone", aws("m5.xlarge", "on-demand", lax), "", 0.23, "", "AWS list price of 2025-05-28, which is old"},
		{"a local zone, capacity type unknown", aws("m5.xlarge", "", lax), "", 0.23, "≤", "AWS list price"},
		{"a spot node in a local zone", aws("m5.xlarge", "spot", lax), "", 0.23, "≤", "AWS list price"},
		{"what the local zone does not have", aws("m7i.xlarge", "on-demand", lax), "", 0, "", ""},
		{"a zone that the table does not know", aws("m5.xlarge", "on-demand", "edge=us-west-2-xyz-1a"), "", 0, "", ""},
		{"an own price of the region is not the local zone's", aws("m5.xlarge", "on-demand", lax), own, 0.23, "", "AWS list"},
		{"an own price of any region is", aws("m5.large", "on-demand", lax), own, 0.05, "", "PRICES_FILE"},
		{"a Wavelength zone", aws("t3.medium", "on-demand", wavelength), "", 0.056, "", "AWS list price"},

		{"Auto Mode", aws("c6a.large", "on-demand", fleet.EKSAutoFee), "", 0.0765 * 1.12, "",
			"with EKS Auto Mode's fee of 12%"},
		{"Auto Mode, spot: the fee is of the on-demand price", aws("c6a.large", "spot", fleet.EKSAutoFee), "", 0.02448 +
			0.0765*0.12, "", "with EKS Auto Mode's fee of 12%"},
		{"Auto Mode with GPUs", aws("g5.xlarge", "on-demand", fleet.EKSAutoFee), "", 1.006, "≥",
			"without EKS Auto Mode's fee"},
		{"Auto Mode with an own price", aws("m5.large", "on-demand", fleet.EKSAutoFee), own, 0.05 + 0.12*0.096, "", "fee of 12%"},
		{"dedicated tenancy", aws("m5.large", "on-demand", fleet.DedicatedHardware), "", 0.096, "≥", "dedicated tenancy"},
		{"Windows", aws("m5.large", "on-demand", fleet.WindowsLicence), "", 0.096, "≥", "without the licence of Windows"},
		{"Windows on spot", aws("m5.large", "spot", fleet.WindowsLicence), "", 0.03744, "≥", "without the licence"},
		{"Windows, capacity type unknown", aws("m5.large", "", fleet.WindowsLicence), "", 0, "", "nothing says whether it is spot"},
		{"an own price of a Windows machine", aws("m5.large", "on-demand", fleet.WindowsLicence), own, 0.3, "", "PRICES_FILE"},
		{"of another", aws("m5.large", "spot", "dedicated,windows"), own, 0.4, "", "PRICES_FILE"},
		{"a capacity block", aws("p5.48xlarge", "reserved", fleet.BilledAhead), "", 0, "paid in advance", "price of its own"},
		{"a dedicated host", aws("m5.large", "on-demand", fleet.BilledByHost), own, 0, "billed by host", "dedicated host"},
		{"Fargate", aws("fargate", "", fleet.BilledByPod), "", 0, "billed by pod", "its pods"},

		{"an attached GPU", gcp("n1-standard-4", "on-demand", fleet.AttachedGPUs), "", 0.19, "≥", "without its GPUs"},
		{"an attached GPU, capacity type unknown", gcp("n1-standard-4", "", fleet.AttachedGPUs), "", 0, "",
			"nothing says whether it is spot, and no price has its GPUs in it"},
		{"a GPU that is in the price", gcp("a2-ultragpu-1g", "on-demand", ""), "", 5.07, "", "Google Cloud list price"},
		{"Autopilot", gcp("e2-standard-2", "on-demand", fleet.BilledByPod), "", 0, "billed by pod", ""},
		{"Autopilot with a fee", gcp("e2-standard-2", "on-demand", fleet.AutopilotFee), "", 0.067, "≥", "without GKE"},

		{"Azure's names in any case", fleet.Machine{Provider: "azure", Region: "eastus", InstanceType: "standard_d2s_V3",
			CapacityType: "on-demand"}, "", 0.096, "", "Azure list price"},
		{"a type of the user's in any case", aws("M5.LARGE", "on-demand", ""), own, 0.05, "", "PRICES_FILE"},
	} {
		p := New(0, overrides(t, cmp.Or(tt.csv, "instance_type,usd_per_hour")), day).Price(tt.machine)
		mark := p.Billed
		if p.AtMost {
			mark += "≤"
		}
		if p.AtLeast {
			mark += "≥"
		}
		if p.Known != (tt.usd > 0) || math.Abs(p.USD-tt.usd) > 0.006*tt.usd || mark != tt.mark || !strings.Contains(p.Source,
			tt.source) {
			t.Errorf("%s: %+v, want %s %g, %q", tt.name, p, tt.mark, tt.usd, tt.source)
		}
	}
}

// TestSources holds that each price of the built-in table has a source, with its licence and its date.
func TestSources(t *testing.T) {
	sources := New(0, Overrides{}, day).Sources()
	prices := 0
	for _, s := range sources {
		if s.Project == "" || s.Licence == "" || s.Prices == "" || s.AsOf == "" || s.Regions == 0 || s.Old != (s.AsOf < "2025-09-02") {
			t.Errorf("a source without what people need to know: %+v", s)
		}
		prices += s.Count
	}
	if len(sources) != 7 || prices < 95_211 {
		t.Errorf("%d prices of %d sources: %+v", prices, len(sources), sources)
	}
}

// TestWrongTerms holds that a mistake in the column terms is told with what would be right.
func TestWrongTerms(t *testing.T) {
	_, err := ReadOverrides(strings.NewReader("instance_type,usd_per_hour,terms\nm5.large,0.1,window"))
	if err == nil || !strings.Contains(err.Error(), `"window" is none; write windows`) {
		t.Errorf("terms that are none: %v", err)
	}
}
