// Package pricing knows what a machine costs by the hour, and how sure that is.
//
// It holds a table of the list prices of AWS, Azure and Google Cloud (prices.zip, embedded), which
// a file of the user's own and a label on a node outrank. It is pure: readers in, values out. It
// never asks a cloud, and it never guesses: what is in no source has no price.
//
// The table's figures come from the price tables that other projects publish under the Apache-2.0
// and MIT licences: AWS from github.com/aws/karpenter-provider-aws and, for most regions and for
// spot, github.com/cristim/ec2-instances-info; Azure from github.com/Azure/karpenter-provider-azure;
// Google Cloud from github.com/cloudpilot-ai/karpenter-provider-gcp. To make it from a newer CSV:
//
//	go run ./internal/pricing/mkprices node-prices.csv
package pricing
