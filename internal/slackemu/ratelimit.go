package slackemu

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Tiers of docs.slack.dev/apis/web-api/rate-limits. Slack tolerates short bursts without saying how long; these are
// modest ones.
var (
	tier1 = Limit{PerMinute: 1, Burst: 20} // only apps.connections.open: up to 10 sockets are opened at once
	tier2 = Limit{PerMinute: 20, Burst: 5}
	tier3 = Limit{PerMinute: 50, Burst: 10}
	tier4 = Limit{PerMinute: 100, Burst: 20}
	// special is "hundreds per minute", as documented for auth.test and chat.getPermalink.
	special = Limit{PerMinute: 600, Burst: 60}
)

// postMessageRate is one message per second and channel.
const postMessageRate = 60

type bucket struct{ limiter *rate.Limiter }

// allow takes a token, or says after how many whole seconds one will be there.
func (b *bucket) allow(now time.Time) (retryAfter int, ok bool) {
	if b.limiter.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - b.limiter.TokensAt(now)
	wait := missing / float64(b.limiter.Limit())
	return max(1, int(math.Ceil(wait))), false
}

// limit takes one call out of the bucket named key. Callers hold mu.
func (s *Server) limit(method, key string, l Limit) (retryAfter int, ok bool) {
	if !s.limited {
		return 0, true
	}
	if own, ok := s.cfg.Limits[method]; ok {
		l = own
	}
	b := s.limits[key]
	if b == nil {
		b = &bucket{rate.NewLimiter(rate.Limit(l.PerMinute/60), l.Burst)}
		s.limits[key] = b
	}
	return b.allow(time.Now())
}

// SetRateLimits switches rate limits on, with full buckets, or off.
func (s *Server) SetRateLimits(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited = on
	clear(s.limits)
}
