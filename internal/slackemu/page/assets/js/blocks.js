// blocks owns how blocks and attachments look. The elements in them belong to elements, their texts to mrkdwn and richtext.

import { html, nothing } from '../lit-html/lit-html.js';
import { repeat } from '../lit-html/directives/repeat.js';
import { state, changed, key } from './store.js';
import { plain, textObject, mrkdwn, markdown, link } from './mrkdwn.js';
import { richText, size } from './richtext.js';
import { dataTable } from './datatable.js';
import { chart } from './charts.js';
import { element, elementKey, domID } from './elements.js';
import { clock, dayName } from './time.js';
import { icon } from './icons.js';

// picture draws an image: the workspace's own files as they are, others as their alternative text, because nothing is
// loaded from elsewhere.
function picture(e, cls) {
  const ref = e.slack_file;
  const id = ref?.id ?? /\/files-pri\/([^/]+)\//.exec(ref?.url ?? '')?.[1];
  if (id) return html`<img class=${cls} src=${'/page/file/' + encodeURIComponent(id)} alt=${e.alt_text ?? ''}>`;
  return html`<span class=${cls + ' placeholder'} role="img" aria-label=${e.alt_text ?? ''} title=${e.alt_text ?? ''}>${icon('image')}${cls === 'image' ? html` ${e.alt_text}` : nothing}</span>`;
}

// long folds a text that is long, with a button that opens it; a whole message's is folded later than a paragraph's.
export function long(k, is, content, whole = false) {
  if (!is) return content;
  const open = state.opened.has(k);
  const turn = () => { open ? state.opened.delete(k) : state.opened.add(k); changed(); };
  return html`<div class=${open ? '' : whole ? 'folded whole' : 'folded'}>${content}</div><button type="button" class="linkish" aria-expanded=${open} @click=${turn}>See ${open ? 'less' : 'more'}</button>`;
}

function tableCell(cell) {
  if (cell.type === 'rich_text') return richText(cell);
  return cell.text;
}

function table(b) {
  const settings = b.column_settings ?? [];
  const cls = (i) => `${settings[i]?.align ?? ''} ${settings[i]?.is_wrapped ? 'wrap' : ''}`;
  const [head, ...rows] = b.rows;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="grid">
    <thead><tr>${head.map((c, i) => html`<th scope="col" class=${cls(i)}>${tableCell(c)}</th>`)}</tr></thead>
    <tbody>${rows.map((r) => html`<tr>${r.map((c, i) => html`<td class=${cls(i)}>${tableCell(c)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

function section(b, at, k) {
  const text = b.text ? long(k, !b.expand && b.text.text.length > 700, textObject(b.text)) : nothing;
  const main = html`<div class="section-text">${text}${b.fields ? html`<div class="fields">${b.fields.map((f) => html`<div>${textObject(f)}</div>`)}</div>` : nothing}</div>`;
  if (!b.accessory) return main;
  return html`${main}<div class="accessory">${b.accessory.type === 'image' ? picture(b.accessory, 'thumb') : element(b.accessory, at, b)}</div>`;
}

function input(b, at, errors) {
  const e = b.element;
  const error = errors?.[b.block_id];
  const group = ['checkboxes', 'radio_buttons'].includes(e.type);
  const id = domID(elementKey(at, b, e));
  const label = html`${plain(b.label)}${b.optional ? html` <span class="dim">(optional)</span>` : nothing}`;
  return html`<div class=${error ? 'input wrong' : 'input'} data-block=${b.block_id}>
    ${group ? html`<div class="input-label" id=${id + '-label'}>${label}</div>` : html`<label class="input-label" for=${id}>${label}</label>`}
    ${element(e, at, b, true)}
    ${error ? html`<div class="error" role="alert">⚠ ${error}</div>` : nothing}
    ${b.hint ? html`<div class="hint">${plain(b.hint)}</div>` : nothing}
  </div>`;
}

function body(b, at, k, errors) {
  switch (b.type) {
    case 'section': return section(b, at, k);
    case 'header': return html`<div role="heading" aria-level=${(b.level ?? 1) + 1}>${plain(b.text)}</div>`;
    case 'divider': return html`<hr>`;
    case 'context': return b.elements.map((e) => (e.type === 'image' ? picture(e, 'tiny') : html`<span>${textObject(e)}</span>`));
    case 'actions': return b.elements.map((e) => element(e, at, b));
    case 'image': return html`${b.title ? html`<div class="image-title">${plain(b.title)}</div>` : nothing}${picture(b, 'image')}`;
    case 'input': return input(b, at, errors);
    case 'rich_text': {
      const s = size(b);
      return long(k, s.chars > 6000 || s.lines > 60, richText(b), true);
    }
    case 'markdown': return long(k, b.text.length > 4000, markdown(b.text), true);
    case 'table': return table(b);
    case 'data_table': return dataTable(b, at, k);
    case 'data_visualization': return chart(b);
    case 'file': return html`<div class="file">${icon('file')} Remote file <code>${b.external_id}</code></div>`;
    case 'video': return html`<div class="video"><div class="video-title">${b.title_url ? link(b.title_url, plain(b.title)) : plain(b.title)}</div>
      ${b.author_name || b.provider_name ? html`<div class="dim">${[b.author_name, b.provider_name].filter(Boolean).join(' · ')}</div>` : nothing}
      ${b.description ? html`<div>${plain(b.description)}</div>` : nothing}
      <span class="image placeholder" role="img" aria-label=${b.alt_text}>${icon('play')} ${b.alt_text}</span></div>`;
    case 'alert': return html`<div class=${'alert ' + (b.level ?? 'default')}><b>${({ warning: 'Warning', error: 'Error', success: 'Success', info: 'Info' })[b.level] ?? 'Note'}:</b> ${textObject(b.text)}</div>`;
    default: return html`<div class="dim">[${b.type}: this page does not know the block]</div>`;
  }
}

// one draws a block, or says that it cannot: a block must not take the page with it.
function one(b, at, k, errors) {
  try { return body(b, at, k, errors); } catch (err) {
    console.error(`drawing block ${b.block_id}`, err);
    return html`<div class="dim">[${b.type}: this page cannot draw the block]</div>`;
  }
}

// blocks draws a list of blocks. k names the place of what is opened in it; errors are those of a refused submission.
export function blocks(list, at, k, errors) {
  return repeat(list, (b) => b.block_id, (b) => html`<div class=${'block b-' + b.type} data-block-id=${b.block_id}>${one(b, at, key(k, b.block_id), errors)}</div>`);
}

const colors = { good: '#2eb886', warning: '#daa038', danger: '#a30200' };

// attachments draws secondary attachments: a bar of colour, then blocks or the older fields.
export function attachments(list, at, k) {
  return list.map((a, i) => {
    const bar = colors[a.color] ?? (/^#?[0-9a-f]{6}$/i.test(a.color ?? '') ? '#' + a.color.replace('#', '') : '');
    const text = a.text ?? '';
    const content = a.blocks ? blocks(a.blocks, at, key(k, i)) : html`
      ${a.author_name ? html`<div class="dim">${a.author_link ? link(a.author_link, a.author_name) : a.author_name}</div>` : nothing}
      ${a.title ? html`<b>${a.title_link ? link(a.title_link, mrkdwn(a.title)) : mrkdwn(a.title)}</b>` : nothing}
      ${text ? long(key(k, i), text.length > 700, mrkdwn(text)) : nothing}
      ${a.fields ? html`<div class="fields">${a.fields.map((f) => html`<div class=${f.short ? '' : 'wide'}><b>${f.title}</b>${mrkdwn(f.value ?? '')}</div>`)}</div>` : nothing}
      ${a.image_url || a.thumb_url ? picture({ alt_text: a.fallback || 'Picture' }, 'image') : nothing}
      ${a.footer || a.ts ? html`<div class="dim">${a.footer}${a.ts ? html` ${dayName(a.ts * 1000)} ${clock(a.ts * 1000)}` : nothing}</div>` : nothing}`;
    return html`${a.pretext ? mrkdwn(a.pretext) : nothing}<div class="attachment" .style=${bar ? `--bar:${bar}` : ''}><div>${content}</div></div>`;
  });
}
