// Command demo shows Rollcall at work in a browser, without a Slack account and without a
// cluster. Usage:
//
//	demo                  a simulated cluster
//	demo --cluster=real   the cluster that KUBECONFIG names; Slack is emulated all the same
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"rollcall/internal/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := demo.Main(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	os.Exit(code)
}
