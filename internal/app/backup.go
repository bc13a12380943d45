package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/ledger"
)

// runBackup is `rollcall backup FILE`.
func runBackup(ctx context.Context, in call) (int, error) {
	path, file, err := ledgerAndFile(in, "rollcall backup FILE")
	if err != nil {
		return ExitMistake, err
	}
	if err := ledger.Backup(ctx, path, file); err != nil {
		return ExitFailed, err
	}
	fmt.Fprintf(in.stdout, "The ledger %s is in %s.\n", path, file)
	return ExitOK, nil
}

// runRestore is `rollcall restore FILE`.
func runRestore(ctx context.Context, in call) (int, error) {
	path, file, err := ledgerAndFile(in, "rollcall restore FILE")
	if err != nil {
		return ExitMistake, err
	}
	kept, err := ledger.Restore(ctx, file, path, time.Now())
	if err != nil {
		return ExitFailed, err
	}
	fmt.Fprintf(in.stdout, "The ledger %s is that of %s.\n", path, file)
	if kept != "" {
		fmt.Fprintf(in.stdout, "What was there before is in %s; remove it when you need it no more.\n", kept)
	}
	return ExitOK, nil
}

// ledgerAndFile is the ledger that DATABASE_URL names, and the one file that is asked for.
func ledgerAndFile(in call, usage string) (path, file string, err error) {
	files, err := parseFlags(newFlags(), in.args)
	if err != nil || len(files) != 1 {
		return "", "", errors.Join(err, fmt.Errorf("usage: %s", usage))
	}
	c, err := config.Load(in.env)
	if wrong := config.MistakesIn(err, "DATABASE_URL"); len(wrong) > 0 {
		return "", "", wrong
	}
	return c.LedgerPath, files[0], nil
}
