// mrkdwn owns the two text formats that messages hold: Slack's mrkdwn, and the Markdown of markdown blocks. Both become
// lit templates, never markup: whatever a text says, it stays text.

import { html, nothing } from '../lit-html/lit-html.js';
import { state, user, userName, channel } from './store.js';
import { emoji, shortcodes, withEmoji } from './emoji.js';
import { dateText, full, real } from './time.js';

const unescape = (s) => s.replace(/&(amp|lt|gt);/g, (_, e) => ({ amp: '&', lt: '<', gt: '>' })[e]);

// plain is a plain_text object's text.
export const plain = (o) => (o ? (o.emoji === false ? o.text : withEmoji(o.text)) : '');

// textObject is a text object of either kind.
export const textObject = (o) => (!o ? nothing : o.type === 'mrkdwn' ? mrkdwn(o.text, { verbatim: o.verbatim }) : html`<div class="p">${plain(o)}</div>`);

// link draws a link, if it leads where a browser may safely follow.
export function link(url, content) {
  let safe = false;
  try { safe = ['http:', 'https:', 'mailto:'].includes(new URL(url).protocol); } catch { /* no URL */ }
  return safe ? html`<a href=${url} target="_blank" rel="noopener noreferrer">${content}</a>` : html`<span>${content}</span>`;
}

export function mentionUser(id) {
  return html`<span class=${id === state.me?.id ? 'mention me' : 'mention'}>@${user(id) ? userName(id) : 'someone'}</span>`;
}

export function mentionGroup(id, label) {
  return html`<span class="mention">${state.groups?.[id] ? `@${state.groups[id]}` : label || '@group'}</span>`;
}

export function mentionChannel(id, label) {
  const c = channel(id);
  return c?.mine ? html`<a class="mention" href=${'#' + id}>#${c.name}</a>` : html`<span class="mention">#${c?.name ?? label ?? 'private-channel'}</span>`;
}

export const broadcast = (range) => html`<span class="mention me">@${range}</span>`;

export function dateElement(epoch, pattern, fallback, url) {
  const text = dateText(epoch, pattern, fallback);
  const said = real(epoch * 1000) ? html`<time title=${full(epoch * 1000)} datetime=${new Date(epoch * 1000).toISOString()}>${text}</time>` : text;
  return url ? link(url, said) : said;
}

// controls are what Slack understands between < and >; bare is a text in which they do not work, such as code.
const controls = /<([@#!][^<>\n]*|(?:\w[\w+.-]*:\/\/|mailto:|tel:)[^<>\n]*)>/g;
const bare = (s) => s.replace(controls, (_, body) => body.split('|')[1] ?? body);

// control is what stands between < and >.
function control(body) {
  const bar = body.indexOf('|');
  const [what, label] = bar < 0 ? [body, ''] : [body.slice(0, bar), unescape(body.slice(bar + 1))];
  if (/^!(here|channel|everyone|group)$/.test(what)) return broadcast(what === '!group' ? 'channel' : what.slice(1));
  if (what.startsWith('!subteam^')) return mentionGroup(what.slice('!subteam^'.length), label);
  if (/^@[UWB]/.test(what)) return mentionUser(what.slice(1));
  if (/^#[CG]/.test(what)) return mentionChannel(what.slice(1), label);
  const date = /^!date\^(\d+)\^([^^]*)(?:\^(.*))?$/.exec(what);
  if (date) return dateElement(+date[1], unescape(date[2]), label, date[3] && unescape(date[3]));
  if (what.startsWith('!')) return label || `<${what}>`;
  if (/^(\w[\w+.-]*:\/\/|mailto:|tel:)/.test(what)) return link(unescape(what), label || unescape(what).replace(/^mailto:/, ''));
  return `<${unescape(body)}>`;
}

// A parser keeps what it has understood aside, with a private character and its number in its place, so that what comes
// later does not look into it.
class Kept {
  #list = [];
  put = (item) => `\uE000${this.#list.push(item) - 1}\uE001`;
  leaf = (s) => s.split(/(\uE000\d+\uE001)/).map((x) => (x.startsWith('\uE000') ? this.#list[x.slice(1, -1)] : unescape(x)));
}

const strip = (s) => s.replace(/[\uE000\uE001]/g, '');
const edge = '\\s\\p{P}\\p{S}';
const style = new RegExp(`(^|[${edge}\uE001])([*_~])(?=\\S)([^\\n]*?\\S)\\2(?=$|[${edge}\uE000])`, 'u');
const bareURL = /https?:\/\/[^\s<>|`\uE000]*[^\s<>|`\uE000.,;:!?'")\]}]/g;

function inline(text, { verbatim } = {}) {
  const kept = new Kept();
  let s = text.replace(/`([^`\n]+)`/g, (_, code) => kept.put(html`<code>${unescape(bare(code))}</code>`));
  s = s.replace(/<([^<>\n]+)>/g, (_, body) => kept.put(control(body)));
  if (!verbatim) s = s.replace(bareURL, (url) => kept.put(link(unescape(url), unescape(url))));
  s = s.replace(shortcodes, (all, name) => (emoji(name) ? kept.put(emoji(name)) : all));
  return styled(s, kept, style, { '*': (x) => html`<b>${x}</b>`, _: (x) => html`<i>${x}</i>`, '~': (x) => html`<s>${x}</s>` });
}

function styled(s, kept, pattern, tags) {
  const out = [];
  for (let m = pattern.exec(s); m; m = pattern.exec(s)) {
    const from = m.index + m[1].length;
    out.push(kept.leaf(s.slice(0, from)), tags[m[2]](styled(m[3], kept, pattern, tags)));
    s = s.slice(m.index + m[0].length);
  }
  out.push(kept.leaf(s));
  return out;
}

const quoted = /^(?:>|&gt;) ?/;
const bullet = /^\s*(?:[•◦▪‣–-]|\d+[.)])\s+/;

// mrkdwn is a text with Slack's own formatting.
export function mrkdwn(text, options) {
  const out = [];
  strip(text).split(/```\n?([\s\S]*?)\n?```/).forEach((piece, i) => {
    if (i % 2) out.push(html`<pre>${unescape(bare(piece))}</pre>`);
    else if (piece.trim()) out.push(...paragraphs(i ? piece.replace(/^\n/, '') : piece, options));
  });
  return out;
}

function paragraphs(text, options) {
  const out = [];
  const lines = text.replace(/\n$/, '').split('\n');
  const run = (test) => { const n = lines.findIndex((l) => !test(l)); return lines.splice(0, n < 0 ? lines.length : n); };
  while (lines.length) {
    if (/^(?:>|&gt;){3}/.test(lines[0])) {
      out.push(html`<blockquote>${inline(lines.splice(0).join('\n').replace(/^(?:>|&gt;){3} ?/, ''), options)}</blockquote>`);
    } else if (quoted.test(lines[0])) {
      out.push(html`<blockquote>${inline(run((l) => quoted.test(l)).map((l) => l.replace(quoted, '')).join('\n'), options)}</blockquote>`);
    } else if (bullet.test(lines[0])) {
      out.push(html`<div class="p hang">${inline(lines.shift(), options)}</div>`);
    } else {
      out.push(html`<div class="p">${inline(run((l) => !quoted.test(l) && !bullet.test(l)).join('\n'), options)}</div>`);
    }
  }
  return out;
}

// preview is a text as a notification shows it: one run of plain characters.
export function preview(text) {
  return withEmoji(unescape(text.replace(controls, (_, body) => {
    const [what, label] = body.split('|');
    const date = /^!date\^(\d+)\^([^^]*)/.exec(what);
    if (date) return dateText(+date[1], date[2], label);
    if (what.startsWith('@')) return '@' + userName(what.slice(1));
    if (what.startsWith('#')) return '#' + (channel(what.slice(1))?.name ?? label ?? '');
    if (what.startsWith('!subteam^')) return label ?? `@${state.groups?.[what.slice('!subteam^'.length)] ?? 'group'}`;
    return label ?? what.replace(/^!/, '@');
  })));
}

// ---- Markdown

const strong = new RegExp(`(^|[${edge}\uE001]|\\w(?=\\*))(\\*\\*|__|~~|\\*|_)(?=\\S)([^\\n]*?\\S)\\2(?=$|[${edge}\uE000]|\\w)`, 'u');

function mdInline(text) {
  const kept = new Kept();
  let s = text.replace(/\\([\\`*_{}[\]()#+\-.!~|>])/g, (_, c) => kept.put(c));
  s = s.replace(/`([^`\n]+)`/g, (_, code) => kept.put(html`<code>${code}</code>`));
  s = s.replace(/!?\[([^\]\n]*)\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g, (_, label, url) => kept.put(link(url, label || url)));
  s = s.replace(/<([^<>\n]+)>/g, (all, body) => (/^([@#!]|https?:|mailto:)/.test(body) ? kept.put(control(body)) : all));
  s = s.replace(bareURL, (url) => kept.put(link(url, url)));
  s = s.replace(shortcodes, (all, name) => (emoji(name) ? kept.put(emoji(name)) : all));
  const b = (x) => html`<b>${x}</b>`;
  const i = (x) => html`<i>${x}</i>`;
  return styled(s, kept, strong, { '**': b, __: b, '*': i, _: i, '~~': (x) => html`<s>${x}</s>` });
}

const item = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;

function mdList(items) {
  const depth = items[0].depth;
  const groups = [];
  for (const it of items) {
    if (it.depth > depth && groups.length) groups.at(-1).below.push(it);
    else groups.push({ ...it, below: [] });
  }
  const content = groups.map((g) => {
    const box = /^\[([ xX])\]\s+(.*)$/.exec(g.text);
    return html`<li>${box ? [box[1] === ' ' ? '☐ ' : '☑ ', mdInline(box[2])] : mdInline(g.text)}${g.below.length ? mdList(g.below) : nothing}</li>`;
  });
  return items[0].ordered ? html`<ol start=${parseInt(items[0].mark, 10)}>${content}</ol>` : html`<ul>${content}</ul>`;
}

// markdown is the text of a markdown block: headings, lists, quotes, code, tables, emphasis, links.
export function markdown(text) {
  const out = [];
  const lines = strip(text).split('\n');
  const run = (test) => { const n = lines.findIndex((l) => !test(l)); return lines.splice(0, n < 0 ? lines.length : n); };
  const special = (l) => !l.trim() || /^(#{1,6}\s|\s*>|```|\s*([-*_])(\s*\2){2,}\s*$|\s*\|)/.test(l) || item.test(l);
  while (lines.length) {
    const l = lines[0];
    const heading = /^(#{1,6})\s+(.*?)#*$/.exec(l);
    if (!l.trim()) lines.shift();
    else if (heading) {
      lines.shift();
      out.push(html`<div class="md-h md-h${Math.min(3, heading[1].length)}" role="heading" aria-level=${heading[1].length + 1}>${mdInline(heading[2])}</div>`);
    } else if (/^```/.test(l)) {
      lines.shift();
      const code = run((x) => !/^```/.test(x));
      lines.shift();
      out.push(html`<pre>${code.join('\n')}</pre>`);
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(l)) {
      lines.shift();
      out.push(html`<hr>`);
    } else if (/^\s*>/.test(l)) {
      out.push(html`<blockquote>${markdown(run((x) => /^\s*>/.test(x)).map((x) => x.replace(/^\s*> ?/, '')).join('\n'))}</blockquote>`);
    } else if (item.test(l)) {
      const items = run((x) => item.test(x)).map((x) => { const m = item.exec(x); return { depth: m[1].replace(/\t/g, '    ').length, mark: m[2], ordered: /\d/.test(m[2]), text: m[3] }; });
      out.push(mdList(items));
    } else if (/^\s*\|.*\|\s*$/.test(l) && /^\s*\|[\s:|-]+\|\s*$/.test(lines[1] ?? '')) {
      const rows = run((x) => /^\s*\|/.test(x)).filter((_, i) => i !== 1).map((x) => x.trim().replace(/^\||\|$/g, '').split('|'));
      out.push(html`<div class="scroll"><table class="grid">${rows.map((r, i) => html`<tr>${r.map((c) => (i ? html`<td>${mdInline(c.trim())}</td>` : html`<th>${mdInline(c.trim())}</th>`))}</tr>`)}</table></div>`);
    } else {
      const first = lines.shift();
      out.push(html`<div class="p">${mdInline([first, ...run((x) => !special(x))].join('\n'))}</div>`);
    }
  }
  return out;
}
