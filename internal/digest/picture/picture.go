// Package picture draws a message.Chart as a PNG that can be read on a phone, in Slack's light and
// dark mode.
//
// It owns the layout, the colours and the ticks of the axes. It reads no clock, decides nothing
// about what a chart holds, and draws the same bytes for the same input.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"rollcall/internal/message"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// What PNG takes. A bin is at least a pixel wide.
const (
	maxBins  = 1000
	maxNodes = 1e9 // per bin and series
	maxSpan  = 366 * day
	minYear  = 1971 // within what time.Time.UnixNano can tell, and not negative
	maxYear  = 2200
	maxName  = 24  // runes of a series' name that are shown
	maxTitle = 200 // runes; fewer if there is no room
)

// The layout, in pixels; y counts upwards, as vg does. A phone shows the picture about 360 pixels
// wide: letters of 28 are then 8 pixels high.
const (
	width, height = 1200, 675
	margin        = 32
	textSize      = 28
	titleSize     = 32
	minTitleSize  = 24
	lineHeight    = 42  // of the legend
	totalsY       = 26  // baseline of the totals and the zone
	ticksY        = 70  // baseline of the ticks' labels
	stripY        = 132 // between the marks of joined nodes and those of nodes that left
	markSize      = 24
	axisY         = 162
	between       = 36 // two entries of the legend
)

// The colours. Each channel is a multiple of coarse.
var (
	card   = color.NRGBA{250, 250, 250, 255}
	ink    = color.NRGBA{30, 30, 30, 255}
	muted  = color.NRGBA{80, 90, 90, 255}
	grid   = color.NRGBA{30, 30, 30, 40}
	veil   = color.NRGBA{250, 250, 250, 180}
	joined = color.NRGBA{0, 100, 80, 255}
	left   = color.NRGBA{160, 60, 0, 255}

	// palette is derived from Okabe and Ito's (https://jfly.uni-koeln.de/color/): made lighter
	// and darker, so that every two of them differ without colour too, neighbours the most.
	palette = []color.NRGBA{
		{0, 90, 140, 255},
		{230, 160, 0, 255},
		{0, 120, 90, 255},
		{140, 200, 240, 255},
		{210, 90, 0, 255},
		{240, 230, 70, 255},
	}
)

// coarse is how far apart the shades of a channel are. Edges look the same with 26 shades as
// with 256, and all colours have room in a palette.
const coarse = 10

// fonts are Go Regular and Go Bold.
var fonts = sync.OnceValues(parseFonts)

func parseFonts() (f [2]*opentype.Font, err error) {
	for i, ttf := range [][]byte{goregular.TTF, gobold.TTF} {
		if f[i], err = opentype.Parse(ttf); err != nil {
			return f, err
		}
	}
	return f, nil
}

// PNG draws a chart, 1200 by 675 pixels: the nodes as stacked steps, the joins and removals as
// triangles below them, the gaps hatched, with moments as the zone's clock shows them. A chart
// without any node says so. It refuses a chart that contradicts itself, has more than six series
// or more than a thousand bins, or is longer than a year or centuries away. The title and the
// series' names are untrusted: they are cleaned and clipped.
func PNG(c message.Chart, zone *time.Location, title string) ([]byte, error) {
	if err := check(c, zone); err != nil {
		return nil, fmt.Errorf("drawing a chart: %w", err)
	}
	f, err := fonts()
	if err != nil {
		return nil, fmt.Errorf("reading the font: %w", err)
	}
	img := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(72), vgimg.UseBackgroundColor(card))
	s := sheet{
		Canvas: draw.New(img),
		plain:  font.Face{Font: font.Font{Size: textSize}, Face: f[0]},
		bold:   font.Face{Font: font.Font{Size: titleSize}, Face: f[1]},
		chart:  c,
		zone:   zone,
	}
	s.draw(clean(title, maxTitle, f[1]))
	var out bytes.Buffer
	if err := png.Encode(&out, shrink(img.Image())); err != nil {
		return nil, fmt.Errorf("encoding a picture: %w", err)
	}
	return out.Bytes(), nil
}

// shrink gives a picture a palette, which makes its file half as large. What has too many
// shades stays as it is.
func shrink(img image.Image) image.Image {
	full, ok := img.(*image.RGBA)
	if !ok {
		return img
	}
	small := image.NewPaletted(full.Bounds(), nil)
	index := map[color.RGBA]uint8{}
	for i := range small.Pix {
		c := color.RGBA{shade(full.Pix[4*i]), shade(full.Pix[4*i+1]), shade(full.Pix[4*i+2]), 255}
		at, known := index[c]
		if !known {
			if len(small.Palette) == 256 {
				return img
			}
			at = uint8(len(small.Palette))
			index[c] = at
			small.Palette = append(small.Palette, c)
		}
		small.Pix[i] = at
	}
	return small
}

// shade is the nearest multiple of coarse.
func shade(v uint8) uint8 { return (min(v, 250) + coarse/2) / coarse * coarse }

func check(c message.Chart, zone *time.Location) error {
	bins := len(c.Joined)
	switch {
	case zone == nil:
		return errors.New("no time zone")
	case !c.From.Before(c.Until):
		return fmt.Errorf("it ends at %s, and does not begin before", c.Until)
	case c.Until.Sub(c.From) > maxSpan:
		return fmt.Errorf("it is %s long, at most %s have room", c.Until.Sub(c.From), maxSpan)
	case c.From.Year() < minYear || c.From.Year() > maxYear:
		return fmt.Errorf("it begins in the year %d", c.From.Year())
	case bins == 0 || bins > maxBins:
		return fmt.Errorf("it has %d bins, not 1 to %d", bins, maxBins)
	case len(c.Series) > len(palette):
		return fmt.Errorf("it has %d series, there are colours for %d", len(c.Series), len(palette))
	}
	rows := [][]int{c.Joined, c.Left}
	for _, series := range c.Series {
		rows = append(rows, series.Nodes)
	}
	for _, row := range rows {
		if len(row) != bins {
			return fmt.Errorf("it has rows of %d and of %d bins", bins, len(row))
		}
		for _, n := range row {
			if n < 0 || n > maxNodes {
				return fmt.Errorf("a bin has %d nodes", n)
			}
		}
	}
	for _, gap := range c.Gaps {
		if gap.Until.Before(gap.From) {
			return fmt.Errorf("a gap ends at %s, before it begins", gap.Until)
		}
	}
	return nil
}

// clean makes text that others wrote one line of at most so many runes. A rune that the font
// does not have becomes a box.
func clean(text string, runes int, f *opentype.Font) string {
	var buf sfnt.Buffer
	return clip(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		if glyph, err := f.GlyphIndex(&buf, r); err != nil || glyph == 0 {
			return '□'
		}
		return r
	}, text), runes)
}

func clip(text string, runes int) string {
	if r := []rune(text); len(r) > runes {
		return string(r[:runes-1]) + "…"
	}
	return text
}

// sheet is a picture being drawn.
type sheet struct {
	draw.Canvas
	plain, bold font.Face
	chart       message.Chart
	zone        *time.Location

	area vg.Rectangle // of the nodes, between the axes
	top  int          // the number of nodes at the area's upper edge
}

func (s *sheet) draw(title string) {
	for s.bold.Width(title) > width-2*margin && s.bold.Font.Size > minTitleSize {
		s.bold.Font.Size--
	}
	for s.bold.Width(title) > width-2*margin {
		title = clip(title, len([]rune(title))-1)
	}
	s.text(s.bold, ink, margin, height-50, title)

	totals := s.totals()
	most := 0
	for _, n := range totals[len(totals)-1] {
		most = max(most, n)
	}
	step, top := scale(most)
	s.top = top
	yLabels := s.plain.Width(strconv.Itoa(s.top))
	s.area.Min = vg.Point{X: margin + yLabels + 14, Y: axisY}
	s.area.Max.X = width - margin
	narrow := slices.ContainsFunc(s.gaps(), func(gap vg.Rectangle) bool { return !s.fits(gap) })
	s.area.Max.Y = s.legend(height-102, narrow) - 38
	gaps := s.gaps()

	s.layers(totals)
	for _, gap := range gaps {
		s.veil(gap)
	}
	for n := 0; n <= s.top; n += step {
		label := strconv.Itoa(n)
		s.line(grid, 2, s.area.Min.X, s.y(n), s.area.Max.X, s.y(n))
		s.text(s.plain, muted, margin+yLabels-s.plain.Width(label), s.y(n)-10, label)
	}
	for _, gap := range gaps {
		if s.fits(gap) {
			s.plate(notWatched, gap)
		}
	}
	if most == 0 && !slices.ContainsFunc(gaps, s.fits) {
		s.plate("no nodes", s.area)
	}
	s.line(ink, 2, s.area.Min.X, axisY, s.area.Max.X, axisY)
	s.ticks()
	s.marks()
}

// totals are the upper edges of the layers: per series and bin, the nodes of that series and of
// those below it. There is always one.
func (s *sheet) totals() [][]int {
	sum := make([]int, len(s.chart.Joined))
	var all [][]int
	for _, series := range s.chart.Series {
		for i, n := range series.Nodes {
			sum[i] += n
		}
		all = append(all, slices.Clone(sum))
	}
	if all == nil {
		return [][]int{sum}
	}
	return all
}

// scale chooses the distance of the y axis's lines, and where the axis ends: above the most
// nodes, so that their edge can be seen.
func scale(most int) (step, top int) {
	step = 1
	for i := 0; most/step >= 5; i++ {
		if i%3 == 1 {
			step = step / 2 * 5
		} else {
			step *= 2
		}
	}
	return step, (most/step + 1) * step
}

// x is where a moment stands, in whole pixels; moments outside the period stand at its ends.
func (s *sheet) x(at time.Time) vg.Length {
	part := float64(at.Sub(s.chart.From)) / float64(s.chart.Until.Sub(s.chart.From))
	return s.share(part)
}

// bin is where a bin begins.
func (s *sheet) bin(i int) vg.Length { return s.share(float64(i) / float64(len(s.chart.Joined))) }

func (s *sheet) share(part float64) vg.Length {
	part = min(max(part, 0), 1)
	return vg.Length(math.Round(float64(s.area.Min.X) + part*float64(s.area.Size().X)))
}

func (s *sheet) y(n int) vg.Length {
	return vg.Length(math.Round(float64(s.area.Min.Y) + float64(s.area.Size().Y)*float64(n)/float64(s.top)))
}

// layers draws the series. Each goes down to the axis and is covered by those below it, so no
// seam shows between two.
func (s *sheet) layers(totals [][]int) {
	for i := len(s.chart.Series) - 1; i >= 0; i-- {
		shape := []vg.Point{{X: s.area.Min.X, Y: axisY}}
		var edge vg.Path
		s.steps(totals[i], func(from, until, y vg.Length) {
			shape = append(shape, vg.Point{X: from, Y: y}, vg.Point{X: until, Y: y})
			edge.Move(vg.Point{X: from, Y: y})
			edge.Line(vg.Point{X: until, Y: y})
		})
		s.FillPolygon(palette[i], append(shape, vg.Point{X: s.area.Max.X, Y: axisY}))
		s.SetLineStyle(draw.LineStyle{Color: card, Width: 2})
		s.Stroke(edge)
	}
	// No line goes up or down: where the number changes with every bin, lines would hide it all.
	s.steps(totals[len(totals)-1], func(from, until, y vg.Length) { s.line(ink, 3, from, y, until, y) })
}

// steps visits the runs of bins with the same number.
func (s *sheet) steps(row []int, visit func(from, until, y vg.Length)) {
	from := 0
	for i := range row {
		if i+1 == len(row) || row[i+1] != row[i] {
			visit(s.bin(from), s.bin(i+1), s.y(row[i]))
			from = i + 1
		}
	}
}

const notWatched = "not watched"

// gaps are the areas of the gaps within the period, wide enough to be seen. Those that touch in
// the picture are one.
func (s *sheet) gaps() []vg.Rectangle {
	var all []vg.Rectangle
	for _, gap := range s.chart.Gaps {
		if !gap.Until.After(s.chart.From) || !gap.From.Before(s.chart.Until) {
			continue
		}
		r := s.area
		r.Min.X, r.Max.X = s.x(gap.From), s.x(gap.Until)
		if r.Size().X < 4 {
			r.Min.X = min(r.Min.X, s.area.Max.X-4)
			r.Max.X = r.Min.X + 4
		}
		if last := len(all) - 1; last >= 0 && r.Min.X <= all[last].Max.X {
			all[last].Max.X = max(all[last].Max.X, r.Max.X)
			continue
		}
		all = append(all, r)
	}
	return all
}

// fits says whether a gap has room for its name.
func (s *sheet) fits(r vg.Rectangle) bool { return r.Size().X > s.plain.Width(notWatched)+40 }

// veil pales and hatches a part of the picture.
func (s *sheet) veil(r vg.Rectangle) {
	s.fill(veil, r)
	inside := draw.Canvas{Canvas: s.Canvas, Rectangle: r}
	for x := r.Min.X - r.Size().Y; x < r.Max.X; x += 14 {
		line := []vg.Point{{X: x, Y: r.Min.Y}, {X: x + r.Size().Y, Y: r.Max.Y}}
		s.StrokeLines(draw.LineStyle{Color: muted, Width: 2}, inside.ClipLinesXY(line)...)
	}
	for _, x := range []vg.Length{r.Min.X, r.Max.X} {
		s.line(muted, 2, x, r.Min.Y, x, r.Max.Y)
	}
}

// plate writes a text in the middle of an area, on a ground of its own.
func (s *sheet) plate(text string, in vg.Rectangle) {
	w := s.plain.Width(text)
	x, y := (in.Min.X+in.Max.X-w)/2, (in.Min.Y+in.Max.Y)/2
	s.fill(card, vg.Rectangle{Min: vg.Point{X: x - 12, Y: y - 24}, Max: vg.Point{X: x + w + 12, Y: y + 24}})
	s.text(s.plain, ink, x, y-10, text)
}

// legend names the series, and the hatching if a gap has no room for its name. It returns the
// baseline of its last row.
func (s *sheet) legend(y vg.Length, hatching bool) vg.Length {
	const swatch = 28
	x := vg.Length(margin)
	entry := func(name string, paint func(vg.Rectangle)) {
		w := swatch + 12 + s.plain.Width(name)
		if x > margin && x+w > width-margin {
			x, y = margin, y-lineHeight
		}
		box := vg.Rectangle{Min: vg.Point{X: x, Y: y - 4}, Max: vg.Point{X: x + swatch, Y: y - 4 + swatch}}
		paint(box)
		s.SetColor(ink)
		s.SetLineWidth(2)
		s.Stroke(box.Path())
		s.text(s.plain, ink, x+swatch+12, y, name)
		x += w + between
	}
	for i, series := range s.chart.Series {
		name := strings.TrimSpace(clean(series.Name, maxName, s.plain.Face))
		if name == "" {
			name = "no name"
		}
		entry(name, func(r vg.Rectangle) { s.fill(palette[i], r) })
	}
	if hatching {
		entry(notWatched, s.veil)
	}
	return y
}

// ticks names moments below the marks.
func (s *sheet) ticks() {
	free := vg.Length(0)
	for _, t := range ticks(s.chart.Period, s.zone) {
		x, w := s.x(t.at), s.plain.Width(t.label)
		s.line(grid, 2, x, ticksY+28, x, axisY)
		if at := min(max(x-w/2, 8), width-w-8); at >= free {
			s.text(s.plain, muted, at, ticksY, t.label)
			free = at + w + 12
		}
	}
	first, last := s.chart.From.In(s.zone).Format("MST"), s.chart.Until.Add(-1).In(s.zone).Format("MST")
	if last != first {
		first += ", then " + last
	}
	s.text(s.plain, muted, width-margin-s.plain.Width(first), totalsY, first)
}

// marks draws how many nodes joined and left, higher for more, and their totals.
func (s *sheet) marks() {
	s.line(grid, 2, s.area.Min.X, stripY, s.area.Max.X, stripY)
	x := s.area.Min.X
	for _, m := range []struct {
		perBin []int
		up     vg.Length
		colour color.Color
		word   string
	}{{s.chart.Joined, 1, joined, "joined"}, {s.chart.Left, -1, left, "left"}} {
		total := 0
		for _, n := range m.perBin {
			total += n
		}
		// Bins that are narrower than a triangle share one.
		share := int(math.Ceil(16 / float64(s.area.Size().X) * float64(len(m.perBin))))
		most := 1
		sums := make([]int, 0, len(m.perBin)/share+1)
		for i := 0; i < len(m.perBin); i += share {
			sum := 0
			for _, n := range m.perBin[i:min(i+share, len(m.perBin))] {
				sum += n
			}
			most = max(most, sum)
			sums = append(sums, sum)
		}
		for i, n := range sums {
			if n == 0 {
				continue
			}
			// The root keeps one node visible beside a burst.
			high := markSize * vg.Length(0.4+0.6*math.Sqrt(float64(n)/float64(most)))
			middle := (s.bin(i*share) + s.bin(min((i+1)*share, len(m.perBin)))) / 2
			s.triangle(m.colour, middle, stripY+2*m.up, 8, high*m.up)
		}
		label := fmt.Sprintf("%d %s", total, m.word)
		s.triangle(m.colour, x+12, totalsY+10-m.up*11, 12, m.up*22)
		s.text(s.plain, ink, x+34, totalsY, label)
		x += 34 + s.plain.Width(label) + between
	}
}

func (s *sheet) triangle(c color.Color, x, y, half, high vg.Length) {
	s.FillPolygon(c, []vg.Point{{X: x - half, Y: y}, {X: x + half, Y: y}, {X: x, Y: y + high}})
}

func (s *sheet) fill(c color.Color, r vg.Rectangle) {
	s.SetColor(c)
	s.Fill(r.Path())
}

func (s *sheet) line(c color.Color, thick, x0, y0, x1, y1 vg.Length) {
	s.StrokeLine2(draw.LineStyle{Color: c, Width: thick}, x0, y0, x1, y1)
}

func (s *sheet) text(f font.Face, c color.Color, x, y vg.Length, text string) {
	s.SetColor(c)
	s.FillString(f, vg.Point{X: x, Y: y}, text)
}
