package picture

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"rollcall/internal/message"
)

var update = flag.Bool("update", false, "rewrite the golden pictures")

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// empty is a chart in which nothing happens.
func empty(from, until time.Time, bins int, series ...string) message.Chart {
	c := message.Chart{
		Period: message.Period{From: from, Until: until},
		Joined: make([]int, bins),
		Left:   make([]int, bins),
	}
	for _, name := range series {
		c.Series = append(c.Series, message.Series{Name: name, Nodes: make([]int, bins)})
	}
	return c
}

// count fills in the joins and removals that the nodes' numbers tell of.
func count(c message.Chart) message.Chart {
	for _, s := range c.Series {
		for i := 1; i < len(s.Nodes); i++ {
			c.Joined[i] += max(s.Nodes[i]-s.Nodes[i-1], 0)
			c.Left[i] += max(s.Nodes[i-1]-s.Nodes[i], 0)
		}
	}
	return c
}

// wander lets every series go up and down around a level of its own.
func wander(c message.Chart) message.Chart {
	random := rand.New(rand.NewPCG(1, 2))
	for i, s := range c.Series {
		n := 4 + 7*i%11
		for bin := range s.Nodes {
			if random.IntN(6) == 0 {
				n = max(n+random.IntN(5)-2, 0)
			}
			s.Nodes[bin] = n
		}
	}
	return count(c)
}

func normalDay(zone *time.Location) message.Chart {
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, zone)
	c := empty(from, from.AddDate(0, 0, 1), 288, "on-demand", "spot", "reserved")
	c.By = "capacity type"
	for i := range 288 {
		c.Series[0].Nodes[i] = 12
		c.Series[1].Nodes[i] = 8 + int(6*math.Sin(float64(i)/30))
		c.Series[2].Nodes[i] = 4
		if i >= 60 && i < 90 {
			c.Series[1].Nodes[i] += 40 - (i-60)/2
		}
		if i > 200 {
			c.Series[0].Nodes[i] = 14
		}
	}
	c.Gaps = []message.Period{
		{From: from.Add(12 * time.Hour), Until: from.Add(17 * time.Hour)},
		{From: from.Add(20 * time.Hour), Until: from.Add(20*time.Hour + 4*time.Minute)},
	}
	return count(c)
}

var instanceTypes = []string{"m7i.2xlarge", "c7g.4xlarge", "r6a.large", "m6g.xlarge",
	"Standard_NC24ads_A100_v4_and_more", "other"}

func golden(t *testing.T) map[string]func() ([]byte, error) {
	berlin, utc := location(t, "Europe/Berlin"), time.UTC
	monday := time.Date(2026, 11, 23, 0, 0, 0, 0, berlin)
	return map[string]func() ([]byte, error){
		"day": func() ([]byte, error) {
			return PNG(normalDay(berlin), berlin, "prod: nodes, 23 Nov 09:00 – 24 Nov 09:00 CET")
		},
		"types": func() ([]byte, error) {
			c := wander(empty(monday, monday.AddDate(0, 0, 7), 336, instanceTypes...))
			return PNG(c, berlin, "prod: nodes, 23 Nov – 30 Nov CET")
		},
		"dst": func() ([]byte, error) {
			from := time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)
			c := wander(empty(from, from.AddDate(0, 0, 1), 300, "on-demand", "spot"))
			return PNG(c, berlin, "staging: nodes, 25 Oct, 25 hours")
		},
		"none": func() ([]byte, error) {
			return PNG(empty(monday, monday.AddDate(0, 0, 1), 288), berlin, "lab: nodes, 23 Nov 00:00 – 24 Nov 00:00 CET")
		},
		"one": func() ([]byte, error) {
			c := empty(monday, monday.AddDate(0, 0, 92), 460, "on-demand")
			for i := range c.Joined {
				c.Series[0].Nodes[i] = 1
			}
			return PNG(c, utc, "edge: nodes, 22 Nov 23:00 – 22 Feb 23:00 UTC")
		},
		"hour": func() ([]byte, error) {
			from := time.Date(2026, 11, 23, 9, 12, 0, 0, utc)
			c := empty(from, from.Add(time.Hour), 60, "spot\x1b[31m\u202e 中文", strings.Repeat("<!channel>", 9))
			for i := range 60 {
				c.Series[0].Nodes[i] = 1180 + i/7
				c.Series[1].Nodes[i] = max(0, 40*(i-20))
			}
			return PNG(count(c), utc, "a cluster with a very long name, longer than a title can be: nodes, 09:12 – 10:12 UTC")
		},
	}
}

// sizeLimit is how many bytes a picture may have.
const sizeLimit = 100_000

// A picture is as its golden file if the channels differ by less than meanLimit of 255 on average and
// less than a share of strongLimit of the pixels by more than a quarter of the range: other
// processors round edges differently, but move, add and leave out nothing.
const (
	meanLimit   = 0.05
	strongLimit = 0.0002
)

func TestGolden(t *testing.T) {
	for name, paint := range golden(t) {
		t.Run(name, func(t *testing.T) {
			got, err := paint()
			if err != nil {
				t.Fatal(err)
			}
			again, err := paint()
			if err != nil || !bytes.Equal(got, again) {
				t.Errorf("drawn twice, it differs (%v)", err)
			}
			if len(got) > sizeLimit {
				t.Errorf("it has %d bytes", len(got))
			}
			file := filepath.Join("testdata", name+".png")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v (run go test -update to write it)", err)
			}
			mean, strong := difference(t, got, want)
			if mean > meanLimit || strong > strongLimit {
				t.Errorf("the picture differs from %s: by %.3f on average, strongly in a share of %.5f", file, mean, strong)
			}
		})
	}
}

// difference compares two pictures: the mean difference of a channel, of 255, and the share of
// pixels of which a channel differs by more than 64.
func difference(t *testing.T, a, b []byte) (mean, strong float64) {
	t.Helper()
	x, y := pixels(t, a), pixels(t, b)
	if x.Bounds() != y.Bounds() {
		t.Fatalf("a picture of %v, not %v", x.Bounds(), y.Bounds())
	}
	for i := 0; i < len(x.Pix); i += 4 {
		most := 0.0
		for c := range 3 {
			d := math.Abs(float64(x.Pix[i+c]) - float64(y.Pix[i+c]))
			mean += d
			most = max(most, d)
		}
		if most > 64 {
			strong++
		}
	}
	n := float64(len(x.Pix) / 4)
	return mean / 3 / n, strong / n
}

func pixels(t *testing.T, data []byte) *image.RGBA {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	rgba := image.NewRGBA(img.Bounds())
	draw.Draw(rgba, rgba.Bounds(), img, image.Point{}, draw.Src)
	if !rgba.Opaque() {
		t.Fatal("the picture is not opaque")
	}
	return rgba
}

func TestDifference(t *testing.T) {
	zone := time.UTC
	paint := func(change func(*message.Chart)) []byte {
		c := normalDay(zone)
		change(&c)
		data, err := PNG(c, zone, "title")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	base := paint(func(*message.Chart) {})
	for name, change := range map[string]func(*message.Chart){
		"a node more for an hour": func(c *message.Chart) {
			for i := range 12 {
				c.Series[2].Nodes[100+i]++
			}
		},
		"another name": func(c *message.Chart) { c.Series[0].Name = "on-command" },
		"no gap":       func(c *message.Chart) { c.Gaps = c.Gaps[:1] },
	} {
		if mean, strong := difference(t, base, paint(change)); mean <= meanLimit && strong <= strongLimit {
			t.Errorf("%s: passes as equal (%.3f, %.5f)", name, mean, strong)
		}
	}
}

func TestWorstCaseIsSmall(t *testing.T) {
	from := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c := empty(from, from.AddDate(0, 0, 7), maxBins)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range palette {
		nodes := make([]int, maxBins)
		for bin := range nodes {
			nodes[bin] = random.IntN(1000)
		}
		c.Series = append(c.Series, message.Series{Name: strings.Repeat(string(rune('@'+i)), 99), Nodes: nodes})
	}
	for gap := from; gap.Before(c.Until); gap = gap.Add(12 * time.Hour) {
		c.Gaps = append(c.Gaps, message.Period{From: gap, Until: gap.Add(4 * time.Hour)})
	}
	data, err := PNG(count(c), time.UTC, strings.Repeat("title ", 99))
	if err != nil || len(data) > sizeLimit {
		t.Errorf("a picture of %d bytes (%v)", len(data), err)
	}
}

func TestRefused(t *testing.T) {
	zone := time.UTC
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, zone)
	for name, change := range map[string]func(*message.Chart){
		"no bins":       func(c *message.Chart) { c.Joined = nil },
		"short left":    func(c *message.Chart) { c.Left = c.Left[1:] },
		"short series":  func(c *message.Chart) { c.Series[0].Nodes = nil },
		"negative":      func(c *message.Chart) { c.Series[0].Nodes[3] = -1 },
		"negative left": func(c *message.Chart) { c.Left[3] = -1 },
		"huge":          func(c *message.Chart) { c.Joined[0] = math.MaxInt },
		"no time":       func(c *message.Chart) { c.Until = c.From },
		"backwards":     func(c *message.Chart) { c.From, c.Until = c.Until, c.From },
		"far away": func(c *message.Chart) {
			c.From = time.Unix(math.MaxInt64-1, 0)
			c.Until = c.From.Add(time.Second)
		},
		"long ago": func(c *message.Chart) {
			c.From = time.Time{}
			c.Until = c.From.Add(time.Second)
		},
		"long":          func(c *message.Chart) { c.From = time.Time{} },
		"backwards gap": func(c *message.Chart) { c.Gaps = []message.Period{{From: c.Until, Until: c.From}} },
		"seven series":  func(c *message.Chart) { c.Series = make([]message.Series, 7) },
		"many bins":     func(c *message.Chart) { *c = empty(c.From, c.Until, maxBins+1) },
	} {
		c := empty(from, from.Add(time.Hour), 12, "spot")
		change(&c)
		if data, err := PNG(c, zone, "title"); err == nil || data != nil {
			t.Errorf("%s: drawn", name)
		}
	}
	if _, err := PNG(empty(from, from.Add(time.Hour), 12), nil, "title"); err == nil {
		t.Error("no zone: drawn")
	}
}

func FuzzPNG(f *testing.F) {
	f.Add(int64(1795417200), int64(86400), uint16(288), "Europe/Berlin", "prod: nodes", "spot", int64(12), int64(3600),
		int64(7200))
	f.Add(int64(0), int64(1), uint16(1), "UTC", "", "", int64(0), int64(0), int64(0))
	f.Add(int64(-62135596800), int64(60), uint16(1000), "Africa/Cairo", "\xff\xfe", "\u202e\x00\U0010ffff a\u0301",
		int64(1e9), int64(-9), int64(1e9))
	f.Add(int64(253402300799), int64(366*86400), uint16(3), "Asia/Kathmandu", strings.Repeat("W", 999),
		strings.Repeat("g", 99), int64(-1), int64(5), int64(1))
	f.Fuzz(func(t *testing.T, from, seconds int64, bins uint16, zone, title, name string, nodes, gapFrom, gapLong int64) {
		where, err := time.LoadLocation(zone)
		if err != nil {
			where = time.FixedZone(name, int(from%86400))
		}
		start := time.Unix(from, 0)
		c := empty(start, start.Add(time.Duration(seconds)*time.Second), int(bins%(maxBins+2)), name, title, "other")
		random := rand.New(rand.NewPCG(uint64(from), uint64(nodes)))
		for i := range c.Joined {
			c.Series[i%3].Nodes[i] = int(nodes)
			c.Joined[i] = random.IntN(3)
		}
		gap := start.Add(time.Duration(gapFrom) * time.Second)
		c.Gaps = []message.Period{{From: gap, Until: gap.Add(time.Duration(gapLong) * time.Second)}}
		data, err := PNG(c, where, title)
		if err == nil && pixels(t, data).Bounds().Size() != image.Pt(width, height) {
			t.Error("the picture has another size")
		}
		if err == nil && len(data) > sizeLimit {
			t.Errorf("the picture has %d bytes", len(data))
		}
	})
}

func TestScale(t *testing.T) {
	for _, tt := range []struct{ most, step, top int }{
		{0, 1, 1}, {1, 1, 2}, {4, 1, 5}, {5, 2, 6}, {9, 2, 10}, {10, 5, 15}, {24, 5, 25}, {25, 10, 30},
		{50, 20, 60}, {100, 50, 150}, {999, 200, 1000}, {1000, 500, 1500}, {6e9, 2e9, 8e9},
	} {
		if step, top := scale(tt.most); step != tt.step || top != tt.top {
			t.Errorf("scale(%d) = %d, %d, want %d, %d", tt.most, step, top, tt.step, tt.top)
		}
	}
}

// lightness is CIE L*, what is left of a colour in grey: 0 to 100.
func lightness(i int) float64 {
	return 116*math.Cbrt(luminance(palette[i].R, palette[i].G, palette[i].B)) - 16
}

// luminance is WCAG 2's relative luminance.
func luminance(r, g, b uint8) float64 {
	linear := func(v uint8) float64 {
		if x := float64(v) / 255; x > 0.04045 {
			return math.Pow((x+0.055)/1.055, 2.4)
		} else {
			return x / 12.92
		}
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func TestColoursDifferInGrey(t *testing.T) {
	for i := range palette {
		for j := range i {
			least := 7.0
			if i-j == 1 {
				least = 20
			}
			if d := math.Abs(lightness(i) - lightness(j)); d < least {
				t.Errorf("the colours %d and %d differ by %.1f in grey, not by %.0f", j, i, d, least)
			}
		}
	}
}

func TestTextHasContrast(t *testing.T) {
	ground := luminance(card.R, card.G, card.B) + 0.05
	for _, c := range []struct{ R, G, B, A uint8 }{ink, muted, joined, left} {
		if ratio := ground / (luminance(c.R, c.G, c.B) + 0.05); ratio < 4.5 {
			t.Errorf("the contrast of %v is %.1f, WCAG AA asks for 4.5", c, ratio)
		}
	}
}

func TestClean(t *testing.T) {
	f, err := fonts()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want string }{
		{"spot", "spot"},
		{"a\x00b\nc\u202ed\u2028e\ufeff", "abcde"},
		{"\xff", "\ufffd"},
		{"中文 ▲", "□□ ▲"},
		{"123456789012345678901234", "123456789012345678901234"},
		{"1234567890123456789012345", "12345678901234567890123…"},
		{strings.Repeat("é", 25), strings.Repeat("é", 23) + "…"},
	} {
		if got := clean(tt.text, maxName, f[0]); got != tt.want {
			t.Errorf("clean(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func BenchmarkPNG(b *testing.B) {
	from := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c := wander(empty(from, from.AddDate(0, 0, 7), 480, instanceTypes...))
	size := 0
	for b.Loop() {
		data, err := PNG(c, time.UTC, "prod: nodes, 23 Nov – 30 Nov UTC")
		if err != nil {
			b.Fatal(err)
		}
		size = len(data)
	}
	b.ReportMetric(float64(size), "bytes/picture")
}

// BenchmarkFonts is what the first picture costs more than others.
func BenchmarkFonts(b *testing.B) {
	for b.Loop() {
		if _, err := parseFonts(); err != nil {
			b.Fatal(err)
		}
	}
}

func ExamplePNG() {
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	_, err := PNG(message.Chart{Period: message.Period{From: from, Until: from}}, time.UTC, "prod: nodes")
	fmt.Println(err)
	// Output: drawing a chart: it ends at 2026-11-23 09:00:00 +0000 UTC, and does not begin before
}
