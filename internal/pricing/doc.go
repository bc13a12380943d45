// Package pricing says what a machine costs by the hour, and how sure that is. It owns a table
// of the list prices of AWS, Azure and Google Cloud, which is part of the program, and reads the
// prices that a user gives instead. It is pure: readers in, values out; it opens no file,
// contacts nobody and reads no clock.
//
// # Where a price comes from
//
// The first that knows one wins:
//
//  1. the label eks-node-viewer/instance-price of the node itself,
//  2. a row of the user's own table (Overrides),
//  3. the built-in table, less the user's discount.
//
// The first two are the user's own prices, and no discount is taken off them. The discount is
// taken off every price of the built-in table, on-demand and spot.
//
// Reserved capacity is priced as on-demand. Where the price of a spot node is unknown, and where
// nothing says whether a node is spot, the on-demand price is returned as an upper bound
// (fleet.Price.AtMost). What else a price depends on (fleet.Terms) makes it a lower bound (AtLeast)
// where that is not known, and no price at all where something else is billed (Billed). A node of no
// provider, or of one that simulates (kind, kwok), is priced as one of the cloud that has its region;
// on any other platform the built-in table says nothing.
//
// # The built-in table
//
// prices.zip holds 95,211 prices of 200 regions in 0.6 MB. To make it anew from a CSV with the
// columns provider, region, instance_type, on_demand_usd_per_hour, spot_usd_per_hour (may be
// empty) and as_of, run in the repository's root:
//
//	go run ./internal/pricing/mkprices -spot-as-of aws=2025-05-28 FILE.csv
//
// The CSV dates a row by its on-demand price; the flag gives a provider's spot prices a date of
// their own. The same CSV makes the same bytes.
//
// The figures are those that open-source projects publish:
//
//   - AWS us-east-1 (2026-07-20) and GovCloud (2026-08-24):
//     github.com/aws/karpenter-provider-aws, Apache-2.0
//   - AWS elsewhere, and its spot averages (2025-05-28): github.com/cristim/ec2-instances-info,
//     whose data is that of ec2instances.info, MIT
//   - Azure (2026-06-18): github.com/Azure/karpenter-provider-azure, Apache-2.0
//   - Google Cloud (2026-08-03): github.com/cloudpilot-ai/karpenter-provider-gcp, Apache-2.0
//
// NOTICE has the licence that asks to be repeated. They are list prices of Linux machines in US dollars, without disks
// and network.
package pricing
