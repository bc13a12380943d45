package pricing

import (
	"cmp"
	"maps"
	"slices"
)

// Source is where figures of the built-in table are from. All are list prices in US dollars.
type Source struct {
	Prices  string // what they are: AWS list price, AWS spot average
	AsOf    string // the day that they are of: 2026-07-20
	Old     bool   // that is a year ago or more
	Regions int    // how many regions they are of
	Count   int    // how many they are
	Project string // that publishes them: github.com/…
	Licence string // of the project, and of its data if that is another's
}

// origins are the projects, by provider and by the day; "" is any other. NOTICE has what their licences ask for.
var origins = []struct{ provider, asOf, project, licence string }{
	{"aws", "2025-05-28", "github.com/cristim/ec2-instances-info", "MIT, data of ec2instances.info"},
	{"aws", "", "github.com/aws/karpenter-provider-aws", "Apache-2.0"},
	{"azure", "", "github.com/Azure/karpenter-provider-azure", "Apache-2.0"},
	{"gcp", "", "github.com/cloudpilot-ai/karpenter-provider-gcp", "Apache-2.0"},
}

// Sources lists where the figures of the built-in table are from. It reads all of it (30 ms).
func (b *Book) Sources() []Source {
	type kind struct{ prices, asOf string }
	found := map[kind]*Source{}
	add := func(provider, what, asOf string, count int) {
		if count == 0 {
			return
		}
		k := kind{providerNames[provider].name + " " + what, asOf}
		s := found[k]
		if s == nil {
			s = &Source{Prices: k.prices, AsOf: asOf, Old: old(asOf, b.now)}
			for _, o := range origins {
				if o.provider == provider && (o.asOf == "" || o.asOf == asOf) {
					s.Project, s.Licence = o.project, o.licence
					break
				}
			}
			found[k] = s
		}
		s.Regions++
		s.Count += count
	}
	for _, p := range builtIn().places {
		r := load(p)
		list, spot := 0, 0
		for _, x := range r.rates {
			if x.onDemand > 0 {
				list++
			}
			if x.spot > 0 {
				spot++
			}
		}
		add(p.provider, "list price", r.asOf, list)
		add(p.provider, providerNames[p.provider].spot, r.spotAsOf, spot)
	}
	return slices.SortedFunc(func(yield func(Source) bool) {
		for s := range maps.Values(found) {
			if !yield(*s) {
				return
			}
		}
	}, func(s, t Source) int { return cmp.Or(cmp.Compare(s.Prices, t.Prices), cmp.Compare(t.AsOf, s.AsOf)) })
}
