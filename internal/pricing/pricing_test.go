package pricing

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/fleet"
)

func machine(provider, region, itype, capacity string) fleet.Machine {
	return fleet.Machine{Provider: provider, Region: region, InstanceType: itype, CapacityType: capacity}
}

func TestPrice(t *testing.T) {
	overrides, err := ReadOverrides(strings.NewReader("instance_type,region,capacity_type,usd_per_hour\nm5.large,,,0.05\nm5.large,eu-west-1,,0.06\nm5.large,,spot,0.01\nours.large,,,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	plain, ours := New(0, Overrides{}), New(10, overrides)
	labelled := machine("aws", "us-east-1", "m5.large", "spot")
	labelled.LabelPrice = 0.7
	for _, c := range []struct {
		name   string
		book   *Book
		m      fleet.Machine
		usd    float64
		atMost bool
		source string
	}{
		{"on-demand", plain, machine("aws", "us-east-1", "m5.large", "on-demand"), 0.096, false, "AWS list price of 2026-07-20"},
		{"reserved", plain, machine("aws", "us-east-1", "m5.large", "reserved"), 0.096, false, "AWS list price of 2026-07-20"},
		{"unknown capacity type", plain, machine("aws", "us-east-1", "m5.large", ""), 0.096, true, "AWS list price of 2026-07-20"},
		{"spot", plain, machine("aws", "af-south-1", "c5.12xlarge", "spot"), 0.49248, false, "AWS spot average of 2025-05-28"},
		{"spot of unknown price", plain, machine("azure", "australiacentral", "Basic_A0", "spot"), 0.024, true, "Azure list price of 2026-06-18"},
		{"google", plain, machine("gcp", "africa-south1", "c2d-highcpu-2", "spot"), 0.01618, false, "Google Cloud spot average of 2026-08-03"},
		{"the region tells the provider", plain, machine("", "us-east-1", "m5.large", "on-demand"), 0.096, false, "AWS list price of 2026-07-20"},
		{"kwok", plain, machine("kwok", "us-east-1", "m5.large", "on-demand"), 0.096, false, "AWS list price of 2026-07-20"},
		{"another provider", plain, machine("openstack", "us-east-1", "m5.large", "on-demand"), 0, false, ""},
		{"wrong provider", plain, machine("gcp", "us-east-1", "m5.large", "on-demand"), 0, false, ""},
		{"no region", plain, machine("aws", "", "m5.large", "on-demand"), 0, false, ""},
		{"no type", plain, machine("aws", "us-east-1", "", "on-demand"), 0, false, ""},
		{"unknown type", plain, machine("aws", "us-east-1", "m5.huge", "on-demand"), 0, false, ""},
		{"nothing", plain, fleet.Machine{}, 0, false, ""},
		{"discount", ours, machine("aws", "us-east-1", "m5.xlarge", "on-demand"), 0.192 * 0.9, false, "AWS list price of 2026-07-20, 10 % off"},
		{"override", ours, machine("aws", "us-east-1", "m5.large", "on-demand"), 0.05, false, "PRICES_FILE"},
		{"override of a region", ours, machine("aws", "eu-west-1", "m5.large", "spot"), 0.06, false, "PRICES_FILE"},
		{"override of spot", ours, machine("aws", "us-east-1", "m5.large", "spot"), 0.01, false, "PRICES_FILE"},
		{"override of what no table has", ours, machine("openstack", "", "ours.large", ""), 2, false, "PRICES_FILE"},
		{"label", ours, labelled, 0.7, false, "label eks-node-viewer/instance-price"},
	} {
		for range 2 { // the second comes from memory
			p := c.book.Price(c.m)
			if math.Abs(p.USD-c.usd) > 1e-12 || p.AtMost != c.atMost || p.Source != c.source || p.Known != (c.source != "") {
				t.Errorf("%s: %+v, want %v at most %v from %q", c.name, p, c.usd, c.atMost, c.source)
			}
		}
	}
	if p := New(100, Overrides{}).Price(machine("aws", "us-east-1", "m5.large", "on-demand")); !p.Known || p.USD != 0 {
		t.Errorf("all off: %+v", p)
	}
}

// TestTable reads the whole table.
func TestTable(t *testing.T) {
	names := builtIn.names()
	rows, providers := 0, map[string]string{}
	for _, name := range names {
		provider, region, _ := strings.Cut(name, "/")
		if other, ok := providers[region]; ok {
			t.Errorf("%s is a region of %s and of %s: the region does not tell the provider", region, other, provider)
		}
		providers[region] = provider
		r := builtIn.region(provider, region)
		if len(r.date) != len("2026-07-20") || titles[provider] == "" {
			t.Errorf("%s: date %q", name, r.date)
		}
		for itype, p := range r.machines {
			rows++
			if p.onDemand <= 0 || p.spot < 0 || itype == "" {
				t.Errorf("%s %s: %+v", name, itype, p)
			}
		}
		if len(builtIn.regions) > maxRegions {
			t.Fatalf("%d regions in memory", len(builtIn.regions))
		}
	}
	if len(names) != 200 || rows != 95_211 {
		t.Errorf("%d regions, %d machines", len(names), rows)
	}
}

// TestMemory holds that the table costs less than 2 MB, with the largest regions in use.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	builtIn = table{}
	before := heap()
	b := New(0, Overrides{})
	for _, region := range []string{"us-east-1", "westeurope", "eastus", "us-central1"} {
		for _, itype := range Types(region) {
			b.Price(machine("", region, itype, "spot"))
		}
	}
	used := heap() - before
	t.Logf("%d kB for 4 regions and %d prices", used/1000, len(b.known))
	if used > 2_000_000 {
		t.Errorf("the table costs %d bytes", used)
	}
	runtime.KeepAlive(b)
}

func TestConcurrentPrice(t *testing.T) {
	b := New(0, Overrides{})
	var wg sync.WaitGroup
	for _, region := range Regions("aws")[:12] {
		wg.Go(func() {
			for range 50 {
				b.Price(machine("aws", region, "m5.large", "spot"))
			}
		})
	}
	wg.Wait()
}

func TestOffers(t *testing.T) {
	b := New(0, Overrides{})
	all := b.Offers("m5.large", "", "")
	if len(all) < 20 || all[0].OnDemand.USD > all[len(all)-1].OnDemand.USD || all[0].Provider != "aws" {
		t.Errorf("%d offers, the first %+v", len(all), all[0])
	}
	if one := b.Offers("m5.large", "", "us-east-1"); len(one) != 1 || one[0].OnDemand.USD != 0.096 {
		t.Errorf("%+v", one)
	}
	if none := b.Offers("m5.large", "gcp", ""); len(none) != 0 {
		t.Errorf("%+v", none)
	}
}

func TestOverrideMistakes(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "it is empty"},
		{"instance_type\nm5.large\n", "the column usd_per_hour is missing"},
		{"instance_type,usd_per_hour,colour\n", `"colour" is no column`},
		{"instance_type,usd_per_hour,instance_type\n", "is there twice"},
		{"instance_type,usd_per_hour\n# a remark\n\nm5.large,cheap\n", `line 4: usd_per_hour is "cheap"; write a number from 0 to 10000`},
		{"instance_type,usd_per_hour\nm5.large,-1\n", "line 2"},
		{"instance_type,usd_per_hour\nm5.large,NaN\n", "line 2"},
		{"instance_type,usd_per_hour\n,1\n", "line 2: instance_type is empty"},
		{"instance_type,usd_per_hour\nm5.large,1,2\n", "line 2: it has 3 columns"},
		{"instance_type,usd_per_hour,capacity_type\nm5.large,1,od\n", "write spot, on-demand or reserved"},
		{"instance_type,usd_per_hour\nm5.large,1\nm5.large,2\n", "line 3: an earlier line"},
		{"instance_type,usd_per_hour\n\"m5\n", "line 2"},
	} {
		if _, err := ReadOverrides(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.file, err, c.want)
		}
	}
	_, err := ReadOverrides(strings.NewReader("instance_type,usd_per_hour\n" + strings.Repeat("x,y\n", 50)))
	if n := strings.Count(err.Error(), "\n") + 1; n != maxMistakes {
		t.Errorf("%d mistakes at once", n)
	}
	o, err := ReadOverrides(strings.NewReader("\ufeffUSD_per_hour , Instance_Type\r\n $1.50, m5.large\r\n"))
	if usd, ok := o.price(machine("x", "y", "m5.large", "z")); err != nil || !ok || usd != 1.5 {
		t.Errorf("a spreadsheet's file: %v, %v, %v", usd, ok, err)
	}
}

func FuzzReadOverrides(f *testing.F) {
	for _, seed := range []string{"instance_type,usd_per_hour\nm5.large,0.1\n", "\ufeff", "a,b\n\"", "instance_type,usd_per_hour,region\nx,1e3,\n,,\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		o, err := ReadOverrides(bytes.NewReader(file))
		if err != nil && len(o.rows) > 0 {
			t.Error("half of a wrong file was read")
		}
		for m, usd := range o.rows {
			if !(usd >= 0 && usd <= maxPrice) || m.instanceType == "" {
				t.Errorf("%+v: %v", m, usd)
			}
		}
	})
}

func BenchmarkPrice(b *testing.B) {
	book := New(0, Overrides{})
	m := machine("aws", "us-east-1", "m5.large", "spot")
	book.Price(m)
	b.ReportAllocs()
	for b.Loop() {
		book.Price(m)
	}
}

// Nodes as the platforms make them have prices.
func TestPlatforms(t *testing.T) {
	b := New(0, Overrides{})
	for _, c := range []struct {
		name     string
		id       string
		labels   map[string]string
		capacity string
		atMost   bool
	}{
		{"EKS managed node group", "aws:///eu-west-1a/i-1", map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/region": "eu-west-1", "eks.amazonaws.com/capacityType": "ON_DEMAND"}, "on-demand", false},
		{"EKS node group without a capacity type", "aws:///eu-west-1a/i-1", map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/region": "eu-west-1", "eks.amazonaws.com/nodegroup": "a"}, "", true},
		{"Karpenter on EKS", "aws:///eu-west-1a/i-1", map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/region": "eu-west-1", "karpenter.sh/capacity-type": "spot"}, "spot", false},
		{"EKS, zone alone", "aws:///eu-west-1a/i-1", map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/zone": "eu-west-1a", "karpenter.sh/capacity-type": "on-demand"}, "on-demand", false},
		{"GKE", "gce://project/europe-west1-b/gke-1", map[string]string{"node.kubernetes.io/instance-type": "n2-standard-4", "topology.kubernetes.io/region": "europe-west1", "cloud.google.com/gke-nodepool": "a"}, "on-demand", false},
		{"GKE spot", "gce://project/europe-west1-b/gke-1", map[string]string{"node.kubernetes.io/instance-type": "n2-standard-4", "topology.kubernetes.io/region": "europe-west1", "cloud.google.com/gke-spot": "true"}, "spot", false},
		{"AKS", "azure:///subscriptions/x", map[string]string{"node.kubernetes.io/instance-type": "Standard_D4s_v5", "topology.kubernetes.io/region": "westeurope", "kubernetes.azure.com/agentpool": "a"}, "on-demand", false},
		{"AKS spot, of which the table has no price", "azure:///subscriptions/x", map[string]string{"node.kubernetes.io/instance-type": "Standard_D4s_v5", "topology.kubernetes.io/region": "westeurope", "kubernetes.azure.com/scalesetpriority": "spot"}, "spot", true},
		{"kOps", "aws:///us-east-1a/i-1", map[string]string{"node.kubernetes.io/instance-type": "t3.medium", "topology.kubernetes.io/region": "us-east-1", "kops.k8s.io/instancegroup": "nodes"}, "", true},
		{"self-managed, deprecated labels", "", map[string]string{"beta.kubernetes.io/instance-type": "m5.large", "failure-domain.beta.kubernetes.io/region": "us-east-1"}, "", true},
	} {
		n := fleet.Node{ProviderID: c.id, Labels: c.labels}
		fleet.Describe(&n)
		if p := b.Price(n.Machine()); !p.Known || p.AtMost != c.atMost || n.CapacityType != c.capacity {
			t.Errorf("%s: %+v of %+v", c.name, p, n.Machine())
		}
	}
}
