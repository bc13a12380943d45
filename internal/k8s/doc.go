// Package k8s is Rollcall's eye on a cluster: API objects in, fleet values out.
//
// It owns the connection to the API server, the watches of nodes and events and what makes
// them survive (resuming, listing again, backing off), and the account of every span in which
// it could not see. It keeps of each live node only a [fleet.Known]; everything else goes to
// the ledger through [Store], and no client-go type leaves the package except the rest.Config
// that a client is made of.
//
// It never writes to the cluster, never reads a secret, never decides what to tell anyone, and
// keeps no copy of the cluster's objects.
package k8s
