package ledgertest

import (
	"testing"

	"rollcall/internal/ledger"
)

// Open returns a new ledger that is closed when the test ends.
type Open func(t testing.TB) *ledger.Ledger

// Conform holds an engine to everything that the rest of the program expects of a ledger, apart from how its
// data lie on disk. Every engine must pass it.
func Conform(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, fresh Open)
	}{
		{"node round trip", nodeRoundTrip},
		{"recording is idempotent", recordingIsIdempotent},
		{"same name is another node", sameNameIsAnotherNode},
		{"node comes back", nodeComesBack},
		{"identity", identity},
		{"baseline forgets what its first try saw", baselineForgetsWhatItsFirstTrySaw},
		{"baseline is that of the first list", baselineIsThatOfTheFirstList},
		{"mark follows a clock that is set back", markFollowsAClockThatIsSetBack},
		{"clusters", clusters},
		{"totals", totals},
		{"wave life", waveLife},
		{"release gives back what was not told", releaseGivesBackWhatWasNotTold},
		{"release gives back names that are owed", releaseGivesBackNamesThatAreOwed},
		{"doubts", doubts},
		{"merge", merge},
		{"gap marks its changes", gapMarksItsChanges},
		{"wave nodes", waveNodes},
		{"causes", causesLife},
		{"causes of nodes", causesOfNodes},
		{"causes of waves", causesOfWaves},
		{"replacements", swaps},
		{"what a wave is about", aboutOfWaves},
		{"not ready while being ended", heldBack},
		{"many causes", manyCauses},
		{"evidence", evidence},
		{"evidence by name", evidenceByName},
		{"prune causes", pruneCauses},
		{"feed", feedLife},
		{"feed of several clusters", feedOfSeveralClusters},
		{"feed tells causes", feedCauses},
		{"feed follows waves", feedWaves},
		{"feed gives up what is too old", feedGivesUp},
		{"postings", postings},
		{"digests", digests},
		{"digests of several schedules", digestSchedules},
		{"mutes", mutes},
		{"longer mutes", longerMutes},
		{"mute wave", muteWave},
		{"step mute", stepMute},
		{"muted changes", mutedChanges},
		{"people", people},
		{"list nodes", listNodes},
		{"group nodes", groupNodes},
		{"labels as Kubernetes has them", labelsAsKubernetesHasThem},
		{"find nodes", findNodes},
		{"changes", changes},
		{"node lives", nodeLives},
		{"spending", spendingIsWhatLivesSay},
		{"spending while nobody watches", spendingUnwatched},
		{"incidents", incidents},
		{"rescales", rescales},
		{"events merge", eventsMerge},
		{"events filter", eventsFilter},
		{"events paging", eventsPaging},
		{"waits", waitsLife},
		{"places", places}, {"looks", looks}, {"audiences", audiences},
		{"ends of waits", waitsEnd},
		{"steps of rollouts", rolloutSteps},
		{"what is told of rollouts", toldRollouts},
		{"warnings about new pods", podWarnings},
		{"whose rollouts are told", selectRollouts},
		{"what keeps nodes, as events say", keepsOfEvents},
		{"what keeps nodes, as they say themselves", keepsOfNodes},
		{"what keeps nodes is bounded", keepsAreBounded},
		{"nodes with nothing but DaemonSets' pods", bareNodes},
		{"prune what kept nodes", pruneKeeps},
		{"prune", prune},
		{"prune mutes", pruneMutes},
		{"what was told of budgets is remembered", budgetsAreRemembered},
		{"events are bounded in bytes", eventsAreBoundedInBytes},
		{"floods push out nobody else", floodsPushOutNobodyElse},
		{"events yet to come", eventsYetToCome},
		{"writers go on while pruning", writersGoOnWhilePruning},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}
