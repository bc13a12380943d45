// richtext owns rich_text blocks, also as table cells: nothing in them is parsed, everything is an element of its own.

import { html, nothing } from '../lit-html/lit-html.js';
import { link, mentionUser, mentionGroup, mentionChannel, broadcast, dateElement } from './mrkdwn.js';
import { emoji } from './emoji.js';

function inline(e) {
  let out;
  switch (e.type) {
    case 'text': out = e.text; break;
    case 'link': out = link(e.url, e.text || e.url); break;
    case 'user': out = mentionUser(e.user_id); break;
    case 'usergroup': out = mentionGroup(e.usergroup_id); break;
    case 'channel': out = mentionChannel(e.channel_id); break;
    case 'team': out = html`<span class="mention">${e.team_id}</span>`; break;
    case 'emoji': out = e.unicode ? String.fromCodePoint(...e.unicode.split('-').map((x) => parseInt(x, 16) || 0xfffd)) : emoji(e.name) ?? `:${e.name}:`; break;
    case 'date': out = dateElement(e.timestamp, e.format, e.fallback, e.url); break;
    case 'broadcast': out = broadcast(e.range); break;
    case 'color': out = html`<span class="swatch" .style=${/^#[0-9a-f]{3,8}$/i.test(e.value) ? `--swatch:${e.value}` : ''}></span>${e.value}`; break;
    default: out = `[${e.type}]`;
  }
  const s = e.style ?? {};
  if (s.code) out = html`<code>${out}</code>`;
  if (s.bold) out = html`<b>${out}</b>`;
  if (s.italic) out = html`<i>${out}</i>`;
  if (s.strike) out = html`<s>${out}</s>`;
  if (s.underline) out = html`<u>${out}</u>`;
  return out;
}

const inlines = (e) => e.elements.map(inline);

function list(e) {
  const items = e.elements.map((x) => html`<li>${inlines(x)}</li>`);
  const cls = `rt-list in-${Math.min(8, e.indent ?? 0)} ${['a', 'b', 'c'][(e.indent ?? 0) % 3]}${e.border ? ' border' : ''}`;
  return e.style === 'ordered' ? html`<ol class=${cls} start=${(e.offset ?? 0) + 1}>${items}</ol>` : html`<ul class=${cls}>${items}</ul>`;
}

// richText draws the elements of a rich_text block.
export const richText = (block) => block.elements.map((e) => {
  switch (e.type) {
    case 'rich_text_section': return html`<div class="p">${inlines(e)}</div>`;
    case 'rich_text_quote': return html`<blockquote>${inlines(e)}</blockquote>`;
    case 'rich_text_preformatted': return html`<pre class=${e.border ? 'border' : ''}>${inlines(e)}</pre>`;
    case 'rich_text_list': return list(e);
    default: return nothing;
  }
});

// length measures how tall a block will be, roughly: characters and line breaks.
export function size(block) {
  const text = JSON.stringify(block, (k, v) => (['type', 'style', 'block_id', 'action_id'].includes(k) ? undefined : v));
  return { chars: text.length, lines: (text.match(/\\n/g) ?? []).length + (text.match(/rich_text_(?:section|list)/g) ?? []).length };
}
