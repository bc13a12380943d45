// Command bot is Rollcall: it watches a Kubernetes cluster's nodes and tells Slack. Usage:
//
//	bot                    run, configured by environment variables
//	bot check              try everything a new installation gets wrong
//	bot price TYPE         say what an instance type costs
//	bot digest --dry-run   print a digest and draw its picture, without posting it
//	bot backup FILE        copy the ledger into a new file, also while Rollcall runs
//	bot restore FILE       put such a copy in the ledger's place
//	bot version            print the version
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"rollcall/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := app.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollcall:", err)
	}
	os.Exit(code)
}
