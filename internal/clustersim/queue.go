package clustersim

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// clock turns real time into a position that may run faster, slower or not at all.
type clock struct {
	rate  float64 // positions a real second passes by; 0: stands still
	base  time.Duration
	since time.Time // when the clock was at base
}

func (c *clock) position(now time.Time) time.Duration {
	return c.base + time.Duration(float64(now.Sub(c.since))*c.rate)
}

func (c *clock) setRate(now time.Time, rate float64) {
	c.base, c.since, c.rate = c.position(now), now, rate
}

// due returns when the clock gets to a position, and false if it never does.
func (c *clock) due(at time.Duration) (time.Time, bool) {
	if c.rate <= 0 {
		return time.Time{}, false
	}
	return c.since.Add(time.Duration(float64(at-c.base) / c.rate)), true
}

// step is something that happens at a position of a line's clock.
type step struct {
	at  time.Duration
	seq uint64 // steps of the same position happen in the order in which they were planned
	do  func()
}

// line is a queue of steps, the clock that they follow, and the chance that decides what they
// leave open. The cluster has three, so that a pause of the day stops neither what a person
// asked for by hand nor the kubelets' heartbeats.
type line struct {
	clock
	rand    *rand.Rand
	steps   steps
	seq     uint64
	current *step // being taken
	// registered is when the node controller last wrote that a node of this line registered.
	registered time.Duration
}

// here is the position from which a step plans the next. While a step is taken it is that
// step's own, however late it is taken: so the story depends on no scheduler's delays.
func (l *line) here() time.Duration {
	if l.current != nil {
		return l.current.at
	}
	return l.position(time.Now())
}

func (l *line) after(d time.Duration, do func()) { l.at(l.here()+d, do) }

func (l *line) at(at time.Duration, do func()) {
	l.seq++
	heap.Push(&l.steps, step{at: at, seq: l.seq, do: do})
}

// next returns when the line's first step is due.
func (l *line) next() (time.Time, bool) {
	if len(l.steps) == 0 {
		return time.Time{}, false
	}
	return l.due(l.steps[0].at)
}

// take takes the first step.
func (l *line) take() {
	s := heap.Pop(&l.steps).(step)
	l.current = &s
	s.do()
	l.current = nil
}

// between returns a random duration of the line's chance.
func (l *line) between(least, most time.Duration) time.Duration {
	return least + time.Duration(l.rand.Int64N(int64(most-least)+1))
}

type steps []step

func (s steps) Len() int      { return len(s) }
func (s steps) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s steps) Less(i, j int) bool {
	return s[i].at < s[j].at || s[i].at == s[j].at && s[i].seq < s[j].seq
}
func (s *steps) Push(x any) { *s = append(*s, x.(step)) }
func (s *steps) Pop() any {
	old := *s
	last := old[len(old)-1]
	old[len(old)-1] = step{} // so that its closure can be collected
	*s = old[:len(old)-1]
	return last
}
