package message

import (
	"strings"
	"testing"

	"rollcall/internal/fleet"
)

// A table is one that a phone shows whole: two columns and at most six rows.
func TestGroupTable(t *testing.T) {
	usd := func(n float64) fleet.Cost { return fleet.Cost{USD: n, Priced: 1} }
	var many []fleet.Group
	for i := range 9 {
		many = append(many, fleet.Group{InstanceType: "m" + string(rune('a'+i)), CapacityType: "spot", Nodes: 20 - i,
			Zone: "z", Cost: usd(1)})
	}
	for name, tt := range map[string]struct {
		groups []fleet.Group
		common string
		want   string
	}{
		"none": {nil, "", ""},
		"zones are said once": {[]fleet.Group{
			{InstanceType: "c6i.2xlarge", CapacityType: "spot", Zone: "us-east-1b", Pool: "burst", Arch: "amd64", Nodes: 31,
				Cost: usd(5)},
			{InstanceType: "c6i.2xlarge", CapacityType: "spot", Zone: "us-east-1a", Pool: "burst", Arch: "amd64", Nodes: 29,
				Cost: usd(5)},
			{InstanceType: "m5.large", CapacityType: "on-demand", Zone: "us-east-1a", Pool: "burst", Arch: "amd64", Nodes: 2,
				Cost: usd(0.2)},
		}, "pool burst · us-east-1 a 31, b 31 · amd64",
			"Nodes | Cost\n60 c6i.2xlarge spot | $10.00/h\n2 m5.large on-demand | $0.20/h"},
		"two pools of a zone": {[]fleet.Group{
			{InstanceType: "a", Zone: "z", Pool: "p", Nodes: 2}, {InstanceType: "b", Zone: "z", Pool: "q", Nodes: 1},
		}, "pools p 2, q 1 · z", "Nodes\n2 a\n1 b"},
		"little is known": {[]fleet.Group{{Nodes: 2}, {Zone: "eu-west-1a", Nodes: 1}}, "3 nodes · zone unknown 2, eu-west-1a 1",
			""},
		"zones of two regions": {[]fleet.Group{{InstanceType: "a", Zone: "us-east-1a", Nodes: 1},
			{InstanceType: "a", Zone: "us-west-2b", Nodes: 2}}, "3 a · us east-1a 1, west-2b 2", ""},
		"a zone that others begin with": {[]fleet.Group{{InstanceType: "a", Zone: "z", Nodes: 1},
			{InstanceType: "a", Zone: "z1", Nodes: 2}}, "3 a · z 1, z1 2", ""},
		"many types": {many, "z", "Nodes | Cost\n20 ma spot | $1.00/h\n19 mb spot | $1.00/h\n18 mc spot | $1.00/h\n" +
			"17 md spot | $1.00/h\n16 me spot | $1.00/h\n54 of 4 other types | $4.00/h"},
	} {
		common, table := GroupTable(tt.groups)
		var lines []string
		if table != nil {
			lines = append(lines, strings.Join(table.Head, " | "))
			for _, r := range table.Rows {
				lines = append(lines, strings.Join(r, " | "))
			}
		}
		if got := strings.Join(lines, "\n"); got != tt.want || common.String() != tt.common {
			t.Errorf("%s: above it %q, want %q; the table\n%s\nwant\n%s", name, common.String(), tt.common, got, tt.want)
		}
	}
}

// TestResources holds that quantities read as kubectl prints them.
func TestResources(t *testing.T) {
	for _, tt := range []struct {
		of   fleet.Resources
		want string
	}{
		{fleet.Resources{MilliCPU: 4000, Memory: 16093940 << 10, Pods: 58}, "cpu 4, memory 16093940Ki, pods 58"},
		{fleet.Resources{MilliCPU: 3920, Memory: 15071 << 20, Pods: 58, GPUs: 1}, "cpu 3920m, memory 15071Mi, pods 58, GPUs 1"},
		{fleet.Resources{MilliCPU: 500, Memory: 16 << 30}, "cpu 500m, memory 16Gi, pods 0"},
		{fleet.Resources{Memory: 4_000_000_000}, "cpu 0, memory 3906250Ki, pods 0"},
		{fleet.Resources{Memory: 1001}, "cpu 0, memory 1001, pods 0"},
	} {
		if got := Resources(tt.of); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.of, got, tt.want)
		}
	}
	for bytes, want := range map[int64]string{0: "0", 999: "999", 1 << 10: "1Ki", 16093940 << 10: "15.3Gi", 1000 << 30: "1000Gi", 256 << 30: "256Gi"} {
		if got := ShortMemory(bytes); got != want {
			t.Errorf("%d bytes: %q, want %q", bytes, got, want)
		}
	}
}

func TestAttributes(t *testing.T) {
	for _, tt := range []struct {
		node        fleet.Node
		want, short string
	}{
		{fleet.Node{Provider: "aws", InstanceType: "m5.large", CapacityType: "spot", Zone: "us-east-1a", Pool: "general",
			Arch: "amd64"}, "m5.large · spot · us-east-1a · pool general · amd64", "m5.large, spot, us-east-1a"},
		{fleet.Node{Provider: "aws", InstanceType: "m5.large", Arch: "amd64"},
			"m5.large · amd64 · capacity type, zone, pool unknown", "m5.large"},
		{fleet.Node{Arch: "arm64"}, "arm64", "unknown machine"}, // a laptop's
		{fleet.Node{Provider: "aws"}, "type, capacity type, zone, pool, architecture unknown", "unknown machine"},
		{fleet.Node{Provider: "rke2", Arch: "amd64", Detail: fleet.Detail{Capacity: fleet.Resources{MilliCPU: 4000,
			Memory: 16093940 << 10}}}, "4 CPU, 15.3Gi · amd64", "4 CPU, 15.3Gi"},
		{fleet.Node{Provider: "aws", InstanceType: fleet.Fargate, Zone: "eu-central-1b", Arch: "amd64"},
			"fargate · eu-central-1b · amd64", "fargate, eu-central-1b"},
		{fleet.Node{}, "unknown machine", "unknown machine"},
	} {
		if got, short := Attributes(tt.node), InShort(tt.node); got != tt.want || short != tt.short {
			t.Errorf("%+v: %q and %q, want %q and %q", tt.node, got, short, tt.want, tt.short)
		}
	}
}
