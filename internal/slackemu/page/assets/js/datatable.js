// datatable owns data_table blocks: their pages, and how a reader sorts them. Both are the client's own: the app hears of
// neither.

import { html, nothing } from '../lit-html/lit-html.js';
import { state, changed } from './store.js';
import { richText } from './richtext.js';
import { element } from './elements.js';

const words = (val) => (Array.isArray(val) ? val.map(words).join('') : val && typeof val === 'object' ? words(val.text ?? val.fallback ?? val.elements ?? '') : String(val ?? ''));

// said is the text of a cell, by which it is sorted where not every cell of its column is a number.
const said = (c) => (c.type === 'action_cell' ? words(c.element.text) : c.type === 'raw_number' ? c.text ?? String(c.value) : words(c.text ?? c.elements));

function cell(c, at, b) {
  switch (c.type) {
    case 'rich_text': return richText(c);
    case 'raw_number': return c.text ?? String(c.value);
    case 'action_cell': return element(c.element, at, b);
    default: return c.text;
  }
}

const numeric = (rows, i) => rows.every((r) => r[i].type === 'raw_number');

function sorted(rows, how) {
  if (how.column < 0) return rows;
  const i = how.column;
  const compare = numeric(rows, i) ? (a, b) => a[i].value - b[i].value : (a, b) => said(a[i]).localeCompare(said(b[i]), 'en');
  return rows.toSorted((a, b) => (how.down ? compare(b, a) : compare(a, b)));
}

// dataTable draws the block. k names its place, under which is remembered what the reader has done with it.
export function dataTable(b, at, k) {
  const [head, ...rows] = b.rows;
  const how = { column: -1, down: false, page: 0, ...state.tables.get(k) };
  const size = b.page_size ?? 5;
  const pages = Math.ceil(rows.length / size);
  const set = (to) => { state.tables.set(k, { ...how, ...to }); changed(); };
  // A first click sorts, a second turns it round, a third gives the app's own order back.
  const sort = (i) => set(how.column !== i ? { column: i, down: false, page: 0 } : how.down ? { column: -1, down: false, page: 0 } : { down: true, page: 0 });
  const from = how.page * size;
  const shown = sorted(rows, how).slice(from, from + size);
  const right = head.map((_, i) => (numeric(rows, i) ? 'num' : ''));
  const named = b.row_header_column_index ?? 0;
  return html`<div class="caption" aria-hidden="true">${b.caption}</div>
  <div class="scroll" tabindex="0" role="region" aria-label=${b.caption}><table class="grid data">
    <caption class="hidden">${b.caption}</caption>
    <thead><tr>${head.map((c, i) => html`<th scope="col" class=${right[i]} aria-sort=${how.column !== i ? 'none' : how.down ? 'descending' : 'ascending'}>
      <button type="button" class="sort" @click=${() => sort(i)}>${c.text}<span aria-hidden="true">${how.column !== i ? '' : how.down ? ' ↓' : ' ↑'}</span></button></th>`)}</tr></thead>
    <tbody>${shown.map((r) => html`<tr>${r.map((c, i) => (i === named ? html`<th scope="row" class=${right[i]}>${cell(c, at, b)}</th>` : html`<td class=${right[i]}>${cell(c, at, b)}</td>`))}</tr>`)}</tbody>
  </table></div>
  ${pages > 1 ? html`<div class="pages"><button type="button" class="button" aria-label="Previous page" ?disabled=${how.page === 0} @click=${() => set({ page: how.page - 1 })}>‹</button>
    <span class="dim" role="status">${from + 1}–${Math.min(from + size, rows.length)} of ${rows.length}</span>
    <button type="button" class="button" aria-label="Next page" ?disabled=${how.page >= pages - 1} @click=${() => set({ page: how.page + 1 })}>›</button></div>` : nothing}`;
}
