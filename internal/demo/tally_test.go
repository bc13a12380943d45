package demo

import (
	"testing"

	"rollcall/internal/channel"
	"rollcall/internal/clustersim"
)

// TestCausesTold holds that causes are counted, and found false by the truth alone.
func TestCausesTold(t *testing.T) {
	lives := []clustersim.Life{
		{Name: "a", Came: clustersim.Came{Kind: clustersim.Demand}},
		{Name: "b", Came: clustersim.Came{Kind: clustersim.Replacement},
			Went: clustersim.Went{Kind: clustersim.Empty, By: clustersim.Karpenter}},
		{Name: "c", Went: clustersim.Went{Kind: clustersim.ClaimDeleted, By: clustersim.Person}},
		{Name: "d", Went: clustersim.Went{Kind: clustersim.NodeDeleted, By: clustersim.Person}},
		{Name: "c", Went: clustersim.Went{Kind: clustersim.Interrupted, By: clustersim.EC2}},
	}
	says := func(step string, nodes ...string) (out []channel.Telling) {
		for _, n := range nodes {
			out = append(out, channel.Telling{Node: n, Step: step})
		}
		return out
	}
	for name, tt := range map[string]struct {
		said        []statement
		told, wrong int
	}{
		"nothing": {nil, 0, 0},
		"right": {[]statement{
			{wave: "1", nodes: 2, names: says("joined", "a", "b"), causes: map[string]int{"demand": 1, "replacement": 1}},
			{wave: "2", nodes: 1, names: says("removed", "b"), causes: map[string]int{"empty": 1}}}, 3, 0},
		"one too many": {[]statement{
			{wave: "1", nodes: 2, names: says("joined", "a", "b"), causes: map[string]int{"demand": 2}}}, 2, 1},
		"of another step": {[]statement{
			{wave: "1", nodes: 1, names: says("joined", "b"), causes: map[string]int{"empty": 1}}}, 1, 1},
		"the names are in the thread": {[]statement{
			{wave: "1", nodes: 2, causes: map[string]int{"empty": 2}},
			{wave: "1", names: says("removed", "b", "d")}}, 2, 1},
		"the names are still to come": {[]statement{
			{wave: "1", nodes: 2, names: says("removed", "d"), causes: map[string]int{"empty": 1}}}, 1, 0},
		"less than the truth": {[]statement{
			{wave: "1", nodes: 2, names: says("removed", "b", "c"), causes: map[string]int{"reason not said": 2}}}, 2, 0},
		"nothing proves it": {[]statement{
			{wave: "1", nodes: 1, names: says("removed", "d"), causes: map[string]int{"reason not said": 1}}}, 1, 1},
		"any life of a name": {[]statement{
			{wave: "1", nodes: 1, names: says("removed", "c"), causes: map[string]int{"spot interruption": 1}}}, 1, 0},
		"forgotten": {[]statement{
			{wave: "1", nodes: 1, names: says("removed", "z"), causes: map[string]int{"drift": 1}}}, 1, 0},
	} {
		ta := newTally(nil, "", nil)
		for i, s := range tt.said {
			ta.said[name+string(rune('0'+i))] = s
		}
		if told, wrong := ta.causes(lives); told != tt.told || wrong != tt.wrong {
			t.Errorf("%s: %d told, %d false, want %d and %d", name, told, wrong, tt.told, tt.wrong)
		}
	}
}
