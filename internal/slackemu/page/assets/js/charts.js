// charts owns data_visualization blocks: lines, bars, areas and pies as SVG, with a legend in words and the numbers as a
// table for who cannot see or trust the picture.

import { html, svg, nothing } from '../lit-html/lit-html.js';

const W = 520, H = 230, LEFT = 46, RIGHT = 12, TOP = 12;
const number = (n) => (Math.abs(n) >= 1e6 ? (n / 1e6).toFixed(1) + 'M' : Math.abs(n) >= 1e4 ? (n / 1e3).toFixed(0) + 'k' : String(+n.toFixed(2)));

// ticks are round numbers that cover the values, zero among them.
function ticks(values) {
  const lo = Math.min(0, ...values), hi = Math.max(0, ...values);
  const raw = (hi - lo || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((x) => x * power).find((x) => x >= raw);
  const out = [];
  for (let i = Math.floor(lo / step); i <= Math.ceil(hi / step); i++) out.push(i * step);
  return out.length > 1 ? out : [0, 1];
}

function axes(chart) {
  const cats = chart.axis_config.categories;
  const { x_label: xLabel, y_label: yLabel } = chart.axis_config;
  const series = chart.series.map((s) => ({ name: s.name, values: cats.map((c) => s.data.find((d) => d.label === c)?.value ?? 0) }));
  const marks = ticks(series.flatMap((s) => s.values));
  const bottom = H - (xLabel ? 42 : 26);
  const left = LEFT + (yLabel ? 14 : 0);
  const lo = marks[0], hi = marks.at(-1);
  const y = (v) => bottom - ((v - lo) / (hi - lo)) * (bottom - TOP);
  const slot = (W - left - RIGHT) / cats.length;
  const x = (i) => left + slot * (i + 0.5);
  const longest = Math.max(...cats.map((c) => c.length));
  const every = Math.max(1, Math.ceil((longest * 6.6 + 10) / slot));
  const cut = Math.max(4, Math.floor((slot * every) / 6.6));
  const frame = svg`
    ${marks.map((m) => svg`<line class=${m === 0 ? 'base' : 'grid'} x1=${left} x2=${W - RIGHT} y1=${y(m)} y2=${y(m)}></line><text class="tick end" x=${left - 6} y=${y(m) + 4}>${number(m)}</text>`)}
    ${cats.map((c, i) => (i % every ? nothing : svg`<text class="tick mid" x=${x(i)} y=${bottom + 16}>${c.length > cut ? c.slice(0, cut - 1) + '…' : c}</text>`))}
    ${xLabel ? svg`<text class="label mid" x=${(left + W - RIGHT) / 2} y=${H - 6}>${xLabel}</text>` : nothing}
    ${yLabel ? svg`<text class="label mid" transform=${`translate(12 ${(TOP + bottom) / 2}) rotate(-90)`}>${yLabel}</text>` : nothing}`;
  const path = (values) => values.map((v, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('');
  let marksOf;
  if (chart.type === 'bar') {
    const width = Math.min(46, (slot * 0.76) / series.length);
    marksOf = series.map((s, n) => s.values.map((v, i) => svg`<rect class=${'fill s' + n} x=${x(i) + (n - series.length / 2) * width + 0.5} width=${Math.max(1, width - 1)} y=${Math.min(y(0), y(v))} height=${Math.max(0.5, Math.abs(y(v) - y(0)))} rx="2"><title>${`${s.name}, ${cats[i]}: ${v}`}</title></rect>`));
  } else {
    marksOf = series.map((s, n) => svg`
      ${chart.type === 'area' ? svg`<path class=${'area s' + n} d=${`${path(s.values)}L${x(cats.length - 1)} ${y(0)}L${x(0)} ${y(0)}Z`}></path>` : nothing}
      <path class=${'stroke s' + n} d=${path(s.values)}></path>
      ${s.values.map((v, i) => svg`<circle class=${'fill s' + n} cx=${x(i)} cy=${y(v)} r="3"><title>${`${s.name}, ${cats[i]}: ${v}`}</title></circle>`)}`);
  }
  return { body: [frame, marksOf], names: series.map((s) => s.name), head: ['', ...series.map((s) => s.name)], rows: cats.map((c, i) => [c, ...series.map((s) => s.values[i])]) };
}

function pie(chart) {
  const total = chart.segments.reduce((sum, s) => sum + s.value, 0);
  const cx = W / 2, cy = H / 2, r = H / 2 - 12;
  let turn = -Math.PI / 2;
  const body = chart.segments.map((s, n) => {
    const title = svg`<title>${`${s.label}: ${s.value}`}</title>`;
    if (s.value === total) return svg`<circle class=${'slice s' + n} cx=${cx} cy=${cy} r=${r}>${title}</circle>`;
    const from = turn;
    turn += (s.value / total) * 2 * Math.PI;
    const at = (a) => `${(cx + r * Math.cos(a)).toFixed(2)} ${(cy + r * Math.sin(a)).toFixed(2)}`;
    return svg`<path class=${'slice s' + n} d=${`M${cx} ${cy}L${at(from)}A${r} ${r} 0 ${turn - from > Math.PI ? 1 : 0} 1 ${at(turn)}Z`}>${title}</path>`;
  });
  const share = (s) => Math.round((s.value / total) * 100) + '%';
  return { body, names: chart.segments.map((s) => `${s.label} ${share(s)}`), head: ['', 'Value', 'Share'], rows: chart.segments.map((s) => [s.label, s.value, share(s)]) };
}

// chart draws one block.
export function chart(block) {
  const c = block.chart;
  const drawn = c.type === 'pie' ? pie(c) : axes(c);
  const words = `${block.title}: ${c.type} chart. ${drawn.rows.map((r) => `${r[0]}: ${r.slice(1).join(', ')}`).join('; ')}.`;
  return html`<figure class="chart">
    <figcaption>${block.title}</figcaption>
    <svg viewBox="0 0 ${W} ${H}" role="img" aria-label=${words}>${drawn.body}</svg>
    <ul class="legend">${drawn.names.map((n, i) => html`<li><svg viewBox="0 0 12 12" aria-hidden="true"><rect class=${'fill s' + i} width="12" height="12" rx="3"></rect></svg>${n}</li>`)}</ul>
    <details><summary>Numbers</summary><div class="scroll"><table class="grid">
      <tr>${drawn.head.map((h) => html`<th scope="col">${h}</th>`)}</tr>
      ${drawn.rows.map((r) => html`<tr>${r.map((v, i) => (i ? html`<td class="num">${v}</td>` : html`<th scope="row">${v}</th>`))}</tr>`)}
    </table></div></details>
  </figure>`;
}
