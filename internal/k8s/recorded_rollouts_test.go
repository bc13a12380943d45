package k8s

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// TestRecordedRollouts holds which rollouts real controllers' events tell of, of which the last are combined: as a
// watch sees them, with each of their notes, and as a list does, with the last one alone.
func TestRecordedRollouts(t *testing.T) {
	for _, c := range []struct {
		recording string
		listed    bool
		want      []string
	}{
		{"karpenter", false, []string{"shop/web: web-557875ccf → web-7b6ccb74bb, done, 30/0 of 30, 3s"}},
		// The last note is of the new one, which was scaled later; that the old one had gone was overwritten.
		{"karpenter", true, []string{"shop/web: web-557875ccf → web-7b6ccb74bb, lost, 4/14 of 30, 2m56s, missed"}},
		{"cluster-autoscaler", false, nil},
		{"replacement", false, []string{"default/web: web-667fddc879 → web-69f8c64f59, done, 60/0 of 60, 6s"}},
	} {
		r := readRecording(t, c.recording)
		steps := map[string][]fleet.RolloutStep{}
		last := map[string]fleet.Event{}
		for _, e := range r.evidence.Events {
			if !c.listed {
				for _, s := range e.OfRollout() {
					name := s.Deployment.Namespace + "/" + s.Deployment.Name
					steps[name] = append(steps[name], s)
				}
			} else if o, ok := last[e.UID]; !ok || o.Count < e.Count {
				last[e.UID] = e
			}
		}
		for _, e := range last {
			for _, s := range e.OfRollout() {
				name := s.Deployment.Namespace + "/" + s.Deployment.Name
				steps[name] = append(steps[name], s)
			}
		}
		var got []string
		for name, of := range steps {
			for _, x := range fleet.Rollouts(of, of[0].At.Add(time.Hour)) {
				text := fmt.Sprintf("%s: %s → %s, %s, %d/%d", name, strings.Join(x.Olds, "+"), x.Set, x.State, x.New, x.Old)
				if x.Want > 0 {
					text += fmt.Sprintf(" of %d", x.Want)
				}
				text += ", " + x.Last.Sub(x.Start).String()
				if x.Missed {
					text += ", missed"
				}
				got = append(got, text)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s, listed: %v:\n%q, want\n%q", c.recording, c.listed, got, c.want)
		}
	}
}
