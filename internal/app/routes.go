package app

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"rollcall/internal/alert"
	"rollcall/internal/config"
	"rollcall/internal/nearest"
	"rollcall/internal/wave"
)

const routesUsage = `usage: rollcall routes [KEY=VALUE…]

Prints which channel gets what, and whom it rings, as ROUTES and SLACK_CHANNEL say. With pairs such as
pool=gpu kind=joined it says where that goes, and why no line before does.`

func runRoutes(_ context.Context, in call) (int, error) {
	fs := newFlags()
	pairs, err := parseFlags(fs, in.args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(in.stdout, routesUsage)
		return ExitOK, nil
	}
	if err != nil {
		return ExitMistake, fmt.Errorf("%w\n%s", err, routesUsage)
	}
	c, err := config.Load(in.env)
	if wrong := config.MistakesIn(err, "ROUTES", "SLACK_CHANNEL", "DIGEST_CHANNEL"); len(wrong) > 0 {
		return ExitMistake, wrong
	}
	if len(pairs) == 0 {
		printRoutes(in.stdout, c)
		return ExitOK, nil
	}
	of, err := parseAttributes(pairs)
	if err != nil {
		return ExitMistake, err
	}
	if _, ok := of[alert.KeyCluster]; !ok && c.ClusterName != "" {
		of[alert.KeyCluster] = c.ClusterName
	}
	explainRoute(in.stdout, c.Routes, of)
	return ExitOK, nil
}

func printRoutes(out io.Writer, c config.Config) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "LINE\tMATCHERS\tCHANNEL\tRINGS")
	for _, r := range c.Routes.Lines {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", r.Line, r.Matchers, r.To.Channel, cmp.Or(r.To.Mentions, "nobody"))
	}
	rest := "everything else"
	if len(c.Routes.Lines) == 0 {
		rest = "everything"
	}
	fmt.Fprintf(w, "-\t%s\t%s\t%s\n", rest, c.Routes.Rest, "nobody")
	w.Flush()
}

// parseAttributes reads what is asked about. What follows from the kind is filled in.
func parseAttributes(pairs []string) (map[string]string, error) {
	of := map[string]string{}
	for _, p := range pairs {
		key, value, ok := strings.Cut(p, "=")
		switch {
		case !ok || key == "" || strings.HasSuffix(key, "!") || strings.HasPrefix(value, "="):
			return nil, fmt.Errorf("%q says nothing of what is asked about; write for example pool=gpu kind=joined", p)
		case key == alert.KeyKind && !slices.Contains(alert.RoutedKinds(), value):
			return nil, fmt.Errorf("%q is no kind; write %s", value, cmp.Or(nearest.Word(value, alert.RoutedKinds()...),
				"one of "+strings.Join(alert.RoutedKinds(), ", ")))
		}
		of[key] = value
	}
	if kind, ok := of[alert.KeyKind]; ok && of[alert.KeySeverity] == "" {
		of[alert.KeySeverity] = alert.SeverityOf(wave.Kind(kind))
	}
	return of, nil
}

func explainRoute(out io.Writer, routes alert.Routes, of map[string]string) {
	ask := func(key string) (string, bool) { v, ok := of[key]; return v, ok }
	to, line := routes.Find(ask)
	why := "no line matches, so SLACK_CHANNEL takes it"
	for _, r := range routes.Lines {
		if r.Line == line {
			why = fmt.Sprintf("line %d matches: %s", line, r.Matchers)
		}
	}
	fmt.Fprintf(out, "It goes to %s and rings %s: %s\n", to.Channel, cmp.Or(to.Mentions, "nobody"), why)
	for _, r := range routes.Lines {
		if r.Line == line {
			break
		}
		fmt.Fprintf(out, "  line %d does not: it wants %s\n", r.Line, r.Mismatch(ask))
	}
	var asked []string
	for _, key := range slices.Sorted(maps.Keys(of)) {
		asked = append(asked, key+"="+of[key])
	}
	fmt.Fprintf(out, "Asked about: %s; whatever is not named counts as not there.\n", strings.Join(asked, " "))
}
