// Package k8s is Rollcall's eye on a cluster: API objects in, fleet values out.
//
// It owns the connection to the API server, the watches of nodes and events and what makes
// them survive (resuming, listing again, backing off), and the account of every span in which
// it could not see. It keeps of each live node only a [fleet.Known]; everything else goes to
// the ledger through [Store], and no client-go type leaves the package except the rest.Config
// that a client is made of.
//
// What comes in is others' word. The API server is believed: what objects there are, in which namespace, with which
// UID, and when they were created. A node's own clock is believed between two looks at it (see [fleet.Look]); an
// event as far as its namespace, its creation and the moment of its receipt bear it out, and of nodes that nobody
// saw only from the control plane (see gap.go). All text is cleaned and cut where it comes in (convert.go), and what
// is read at once is bounded in bytes (page.go).
//
// It never writes to the cluster, never reads a secret, never decides what to tell anyone, and
// keeps no copy of the cluster's objects.
package k8s
