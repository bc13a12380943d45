package answer

import (
	"context"
	"path"
	"slices"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/message"
)

const (
	// rolloutsBack is how far back rollouts are looked for of a Deployment that somebody asks for.
	rolloutsBack = 30 * 24 * time.Hour
	// maxRollouts is how many of them an answer tells.
	maxRollouts = 3
)

// toldRollouts are the last rollouts of the Deployments that a request for events is about, as far as the channel was
// told of them, the latest first.
func (a *Answerer) toldRollouts(ctx context.Context, cluster string, req command.Events, now time.Time) (
	lines []message.Line, err error) {
	if req.For.Kind != "Deployment" || req.For.Name == "" || !req.Before.IsZero() || !req.After.IsZero() {
		return nil, nil
	}
	told, err := a.store.ToldRollouts(ctx, cluster, now.Add(-rolloutsBack))
	if err != nil {
		return nil, err
	}
	matches := func(name string, globs ...string) bool {
		return slices.ContainsFunc(globs, func(glob string) bool {
			ok, _ := path.Match(glob, name)
			return ok
		})
	}
	for _, t := range slices.Backward(told) {
		x := t.About.Rollout
		if x == nil || t.About.Standing == nil || !matches(x.Deployment.Name, req.For.Name) ||
			len(req.Namespaces) > 0 && !matches(x.Deployment.Namespace, req.Namespaces...) {
			continue
		}
		if len(lines) == maxRollouts {
			break
		}
		icon, said := message.Rollout(x.Rollout, t.About.Standing.Until.IsZero())
		lines = append(lines, message.NewLine(icon+" ", message.Line{moment(x.Start, now)}, " ", said))
	}
	return lines, nil
}
