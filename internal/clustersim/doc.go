// Package clustersim is the demo's simulated cluster: the nodes and events endpoints of an API
// server, and behind them an EKS cluster with Karpenter that plays a day of autoscaling in about
// five minutes, again and again.
//
// It owns the story (which nodes join, fail and leave, when, and which events tell of it) and
// the API in front of it: lists, watches that resume, bounded history, errors as a real server
// gives them. The texts, the order and the delays of its events are those of a recorded cluster.
//
// A [Cluster] starts no goroutine and opens no port: its owner serves it as an http.Handler and
// calls Run, which takes every step of the story in turn from time-ordered queues. Package
// clustersim knows nothing of the program that watches it, and imports none of its packages.
package clustersim
