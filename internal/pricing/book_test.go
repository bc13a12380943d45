package pricing

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// day is when prices of 2026 are not old, and those of 2025 are.
var day = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// overrides reads a table that is right.
func overrides(t *testing.T, csv string) Overrides {
	t.Helper()
	o, err := ReadOverrides(strings.NewReader(csv))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPrice(t *testing.T) {
	list := fleet.Price{USD: 0.096, Known: true, Source: "AWS list price of 2026-07-20"}
	atMost := list
	atMost.AtMost = true
	spot := fleet.Price{USD: 0.03168, Known: true, Old: true, Source: "AWS spot average of 2025-05-28, which is old"}
	own := func(usd float64) fleet.Price { return fleet.Price{USD: usd, Known: true, Source: "PRICES_FILE"} }
	ownAtMost := own(0.08)
	ownAtMost.AtMost = true
	tests := []struct {
		name     string
		machine  fleet.Machine
		discount float64
		csv      string
		want     fleet.Price
	}{
		{"on-demand", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large",
			CapacityType: "on-demand"}, 0, "", list},
		{"reserved", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "reserved"},
			0, "", list},
		{"spot", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot"}, 0, "",
			spot},
		{"unknown capacity", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large"}, 0, "", atMost},
		{"spot of unknown price", fleet.Machine{Provider: "azure", Region: "eastus", InstanceType: "Standard_D2s_v3",
			CapacityType: "spot"}, 0, "",
			fleet.Price{USD: 0.096, Known: true, AtMost: true, Source: "Azure list price of 2026-06-18"}},
		{"Google's spot", fleet.Machine{Provider: "gcp", Region: "us-central1", InstanceType: "e2-medium",
			CapacityType: "spot"}, 0, "",
			fleet.Price{USD: 0.020106, Known: true, Source: "Google Cloud spot price of 2026-08-03"}},
		{"no provider", fleet.Machine{Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"}, 0, "", list},
		{"kwok", fleet.Machine{Provider: "kwok", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"}, 0,
			"", list},
		{"kind", fleet.Machine{Provider: "kind", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"}, 0,
			"", list},
		{"other provider", fleet.Machine{Provider: "openstack", Region: "us-east-1", InstanceType: "m5.large",
			CapacityType: "on-demand"}, 0, "", fleet.Price{}},
		{"another cloud's region",
			fleet.Machine{Provider: "gcp", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"}, 0, "",
			fleet.Price{}},
		{"no region", fleet.Machine{Provider: "aws", InstanceType: "m5.large", CapacityType: "on-demand"}, 0, "",
			fleet.Price{}},
		{"no type", fleet.Machine{Provider: "aws", Region: "us-east-1", CapacityType: "on-demand"}, 0, "", fleet.Price{}},
		{"unknown type", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.lrage",
			CapacityType: "on-demand"}, 0, "", fleet.Price{}},
		{"a region that is a path", fleet.Machine{Provider: "aws", Region: "../aws/us-east-1", InstanceType: "m5.large"}, 0,
			"", fleet.Price{}},

		{"discount", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"},
			12.5, "",
			fleet.Price{USD: 0.096 * 0.875, Known: true, Source: "AWS list price of 2026-07-20, 12.5% off"}},
		{"discount on spot",
			fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot"}, 50, "",
			fleet.Price{USD: spot.USD / 2, Known: true, Old: true,
				Source: "AWS spot average of 2025-05-28, 50% off, which is old"}},
		{"label", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", LabelPrice: 0.5}, 50,
			"instance_type,usd_per_hour\nm5.large,0.08",
			fleet.Price{USD: 0.5, Known: true, Source: "label eks-node-viewer/instance-price"}},
		{"own price, without discount", fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large"}, 50,
			"instance_type,usd_per_hour\nm5.large,0.08", own(0.08)},
		{"own price of nothing", fleet.Machine{InstanceType: "rack-1"}, 0, "instance_type,usd_per_hour\nrack-1,0", own(0)},
		{"own price on another platform", fleet.Machine{Provider: "openstack", Region: "one", InstanceType: "c3"}, 0,
			"instance_type,provider,usd_per_hour\nc3,OpenStack,0.2", own(0.2)},
		{"own price of a simulated node's cloud",
			fleet.Machine{Provider: "kwok", Region: "us-east-1", InstanceType: "m5.large"}, 0,
			"instance_type,provider,usd_per_hour\nm5.large,aws,0.08", own(0.08)},
		{"own price elsewhere",
			fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"}, 0,
			"instance_type,region,usd_per_hour\nm5.large,eu-west-1,0.08", list},
		{"own on-demand price, reserved",
			fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "reserved"}, 0,
			"instance_type,capacity_type,usd_per_hour\nm5.large,on-demand,0.08", own(0.08)},
		{"own on-demand price, unknown capacity",
			fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large"}, 0,
			"instance_type,capacity_type,usd_per_hour\nm5.large,on-demand,0.08", ownAtMost},
		{"own on-demand price, known spot price",
			fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot"}, 0,
			"instance_type,capacity_type,usd_per_hour\nm5.large,on-demand,0.08", spot},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var o Overrides
			if test.csv != "" {
				o = overrides(t, test.csv)
			}
			if got := New(test.discount, o, day).Price(test.machine); got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// What labels ask for is bounded in memory, and what is forgotten can be asked for again.
func TestManyRegions(t *testing.T) {
	b := New(0, Overrides{}, day)
	first := fleet.Machine{Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for _, r := range b.Regions()[:60] {
				b.Price(fleet.Machine{Provider: r.Provider, Region: r.Name, InstanceType: "m5.large"})
				b.Price(fleet.Machine{Provider: r.Provider, Region: r.Name + "-no", InstanceType: "m5.large"})
				if got := b.Price(first); got.USD != 0.096 {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	wg.Wait()
	if len(b.regions) != maxRegions {
		t.Errorf("%d regions in memory, want %d", len(b.regions), maxRegions)
	}
	if b.regions[place{"aws", "us-east-1"}] == nil {
		t.Error("a region that is asked for all the time was put out")
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestMemory(t *testing.T) {
	before := heap()
	b := New(0, Overrides{}, day)
	for _, m := range biggest {
		if !b.Price(m).Known {
			t.Fatalf("%+v has no price", m)
		}
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d regions: %d kB", len(b.regions), grown/1000)
	if grown > 2_000_000 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	runtime.KeepAlive(b)
}

// biggest are machines in the regions that have the most types, and in the most usual one.
var biggest = []fleet.Machine{
	{Region: "westeurope", InstanceType: "Standard_D2s_v3"},
	{Region: "eastus", InstanceType: "Standard_D2s_v3"},
	{Region: "eastus2", InstanceType: "Standard_D2s_v3"},
	{Region: "us-east-1", InstanceType: "m5.large"},
}

func TestPriceAllocatesNothing(t *testing.T) {
	b := New(10, overrides(t, "instance_type,region,usd_per_hour\nm5.large,eu-west-1,0.1"), day)
	m := biggest[3]
	b.Price(m)
	if n := testing.AllocsPerRun(100, func() { b.Price(m) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPrice(b *testing.B) {
	book := New(10, Overrides{}, day)
	m := fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot"}
	b.ReportAllocs()
	for b.Loop() {
		book.Price(m)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		load(place{"azure", "westeurope"})
	}
}

func TestQuotes(t *testing.T) {
	b := New(0, overrides(t,
		"instance_type,region,usd_per_hour\nm5.large,cellar-1,0.01\nm5.large,eu-west-1,0.1\nm5.large,,0.2\nrack-1,,0.3\n"), day)
	quotes := b.Quotes("m5.large")
	if len(quotes) < 20 {
		t.Fatalf("m5.large is in %d regions only", len(quotes))
	}
	usd := map[string]float64{}
	for _, q := range quotes {
		usd[q.Region] = q.OnDemand.USD
	}
	if len(usd) != len(quotes) || usd["cellar-1"] != 0.01 || usd["eu-west-1"] != 0.1 || usd["us-east-1"] != 0.2 {
		t.Errorf("%+v", usd)
	}
	if q := b.Quotes("rack-1"); len(q) != 1 || q[0].Region != "" || q[0].OnDemand.USD != 0.3 {
		t.Errorf("rack-1: %+v", q)
	}
	if q := b.Quotes("m5.lrage"); q != nil {
		t.Errorf("m5.lrage: %+v", q)
	}
	if q := b.Quote("", "us-east-1", "m7i.large"); q.Provider != "aws" || !q.OnDemand.Known || !q.Known() {
		t.Errorf("%+v", q)
	}
}
