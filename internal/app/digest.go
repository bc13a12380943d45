package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/command"
	"rollcall/internal/config"
	"rollcall/internal/digest"
	"rollcall/internal/digest/picture"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
)

const digestUsage = `usage: rollcall digest --dry-run [--since 24h] [--cluster CLUSTER] [--picture digest.png]
       [--csv digest.csv]

Prints a digest of the ledger that DATABASE_URL names as text and draws its picture, also while
Rollcall runs; with --csv it writes its figures for a spreadsheet too. Nothing is posted: that is
done by the schedule, and by /nodes digest with Share. DIGEST_TIMEZONE, PRICES_FILE, PRICE_DISCOUNT
and SCALING_RETENTION count; tokens are not needed.`

// runDigest is `rollcall digest`.
func runDigest(ctx context.Context, in call) (int, error) {
	fs := newFlags()
	since := fs.String("since", "24h", "")
	dry := fs.Bool("dry-run", false, "")
	file := fs.String("picture", "digest.png", "")
	figures := fs.String("csv", "", "")
	cluster := fs.String("cluster", "", "")
	others, err := parseFlags(fs, in.args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(in.stdout, digestUsage)
		return ExitOK, nil
	}
	switch {
	case err != nil:
	case len(others) > 0:
		err = fmt.Errorf("%q is one argument too many", others[0])
	case !*dry:
		err = errors.New("write --dry-run: digests are posted by the schedule, and by /nodes digest with Share")
	}
	if err != nil {
		return ExitMistake, fmt.Errorf("%w\n%s", err, digestUsage)
	}
	length, err := command.ParseDuration(*since)
	if err != nil {
		return ExitMistake, fmt.Errorf("--since %s: %w\n%s", *since, err, digestUsage)
	}
	// Neither Slack nor the cluster is needed, so what is wrong with their settings does not matter.
	c, err := config.Load(in.env)
	if wrong := config.MistakesIn(err, "DATABASE_URL", "PRICES_FILE", "PRICE_DISCOUNT", "DIGEST_TIMEZONE",
		"DIGEST_SCHEDULE", "SCALING_RETENTION"); len(wrong) > 0 {
		return ExitMistake, wrong
	}
	store, err := ledger.OpenToRead(ctx, c.LedgerPath)
	if err != nil {
		return ExitFailed, err
	}
	defer store.Close()
	name, err := oneCluster(ctx, store, *cluster)
	if err != nil {
		return ExitMistake, err
	}
	summaries := answer.Summaries{Store: store, Price: c.Prices.Price, Zone: c.Zone, Keep: c.ScalingRetention}
	now := time.Now()
	s, err := summaries.Last(ctx, name, length, now)
	if err != nil {
		return ExitFailed, err
	}
	m, err := summaries.Render(ctx, s)
	if err != nil {
		return ExitFailed, err
	}
	fmt.Fprint(in.stdout, m)
	png, err := picture.PNG(s.Chart, c.Zone, digest.PictureTitle(s))
	if err == nil {
		err = os.WriteFile(*file, png, 0o644)
	}
	if err != nil {
		return ExitFailed, fmt.Errorf("the picture: %w", err)
	}
	fmt.Fprintf(in.stdout, "\nThe picture is in %s.\n", *file)
	if *figures != "" {
		if err := os.WriteFile(*figures, digest.CSV(s), 0o644); err != nil {
			return ExitFailed, fmt.Errorf("the figures: %w", err)
		}
		fmt.Fprintf(in.stdout, "The figures are in %s.\n", *figures)
	}
	return ExitOK, nil
}

// oneCluster is the cluster of a ledger that is asked for, or the only one.
func oneCluster(ctx context.Context, store *ledger.Ledger, name string) (string, error) {
	all, err := store.Clusters(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Cluster)
	}
	switch {
	case name == "" && len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", errors.New("the ledger has no cluster yet: Rollcall has not run with it")
	case slices.ContainsFunc(all, func(c query.ClusterRecord) bool { return c.Cluster == name }):
		return name, nil
	case name == "":
		return "", fmt.Errorf("the ledger has several clusters; name one with --cluster: %s", strings.Join(names, ", "))
	}
	return "", fmt.Errorf("--cluster %s: the ledger has %s", name, strings.Join(names, ", "))
}
