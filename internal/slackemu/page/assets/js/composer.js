// composer owns the fields in which a person writes: messages, replies, and slash commands with what completes them.

import { html, nothing } from '../lit-html/lit-html.js';
import { live } from '../lit-html/directives/live.js';
import { state, changed, notice } from './store.js';
import { post } from './live.js';
import { arrived } from './messages.js';
import { icon } from './icons.js';

const drafts = new Map(); // place → {text, at: chosen suggestion, shut: whether the list was closed}
const history = []; // what was sent, the oldest first
let recalled = -1;

const draft = (place) => {
  if (!drafts.has(place)) drafts.set(place, { text: '', at: 0, shut: false });
  return drafts.get(place);
};

const caret = (box) => ({ head: box.value.slice(0, box.selectionStart), tail: box.value.slice(box.selectionStart) });

// suggestions are what may follow: commands while the first word is typed, then the command's own words.
function suggestions(text) {
  if (!text.startsWith('/') || text.includes('\n')) return [];
  const space = text.indexOf(' ');
  if (space < 0) return state.app.commands.filter((c) => c.command.startsWith(text)).map((c) => ({ text: c.command, hint: c.hint, start: 0 }));
  const command = state.app.commands.find((c) => c.command === text.slice(0, space));
  if (!command) return [];
  const start = text.lastIndexOf(' ') + 1;
  const word = text.slice(start);
  const used = text.slice(space, start).split(' ');
  const fits = command.words.filter((w) => w.startsWith(word) && w !== word && !used.includes(w));
  return (word || start === space + 1 ? fits : []).slice(0, 8).map((w) => ({ text: w, hint: '', start }));
}

function set(box, d, text) {
  d.text = text;
  box.value = text;
  box.setSelectionRange(text.length, text.length);
  changed();
}

function complete(box, d, s) {
  const { head, tail } = caret(box);
  d.at = 0;
  d.shut = false;
  set(box, d, head.slice(0, s.start) + s.text + ' ' + tail.trimStart());
}

async function send(c, thread, d) {
  const text = d.text.trim();
  if (!text) return;
  history.push(text);
  recalled = -1;
  d.text = '';
  d.at = 0;
  arrived();
  changed();
  const slash = text.startsWith('/');
  const [command, ...rest] = text.split(/ (.*)/s);
  if (slash && thread) {
    notice(c.id, `${command} is not supported in threads. Sorry! Slash commands work in the channel.`, thread);
    return;
  }
  const answer = slash ? await post('command', { channel: c.id, command, text: rest[0] ?? '' }) : await post('message', { channel: c.id, text, thread: thread ?? '' });
  if (answer.error) notice(c.id, answer.error, thread ?? '');
}

function keys(ev, c, thread, d) {
  if (ev.isComposing) return;
  const box = ev.currentTarget;
  const list = thread || d.shut ? [] : suggestions(caret(box).head);
  const done = () => { ev.preventDefault(); changed(); };
  switch (ev.key) {
    case 'Tab':
      if (!list.length || ev.shiftKey) return;
      ev.preventDefault();
      complete(box, d, list[Math.min(d.at, list.length - 1)]);
      return;
    case 'Escape':
      if (!list.length) return;
      d.shut = true; // now Tab leaves the field
      return done();
    case 'ArrowDown': case 'ArrowUp': {
      const step = ev.key === 'ArrowDown' ? 1 : -1;
      if (list.length > 1 && recalled < 0) { d.at = (d.at + step + list.length) % list.length; return done(); }
      if (d.text && recalled < 0) return;
      const to = recalled < 0 ? (step < 0 ? history.length - 1 : -1) : recalled + step;
      if (to >= history.length) { recalled = -1; d.shut = false; set(box, d, ''); return done(); }
      if (to < 0) return;
      recalled = to;
      d.shut = true;
      set(box, d, history[to]);
      return done();
    }
    case 'Enter':
      if (ev.shiftKey) return;
      ev.preventDefault();
      send(c, thread, d);
  }
}

// composer draws the field of a channel, or of a thread in it.
export function composer(c, thread) {
  const place = thread ? c.id + thread : c.id;
  const d = draft(place);
  const id = thread ? 'reply' : 'compose';
  const list = thread || d.shut ? [] : suggestions(d.text);
  const at = Math.min(d.at, list.length - 1);
  const called = c.direct ? c.name : '#' + c.name;
  const name = thread ? `Reply to thread in ${called}` : `Message ${called}`;
  const command = state.app.commands.find((x) => d.text.startsWith(x.command + ' '));
  const typed = (ev) => { d.text = ev.target.value; d.at = 0; d.shut = false; recalled = -1; changed(); };
  return html`<form class="composer" @submit=${(ev) => { ev.preventDefault(); send(c, thread, d); }}>
    ${list.length ? html`<ul id=${id + '-list'} class="suggest" role="listbox" aria-label="Completions">${list.map((s, i) => html`
      <li id=${`${id}-${i}`} role="option" aria-selected=${i === at} @mousedown=${(ev) => { ev.preventDefault(); complete(document.getElementById(id), d, s); }}>
        <b>${s.text}</b> <span class="dim">${s.hint}</span></li>`)}
      <li class="keys" aria-hidden="true"><kbd>Tab</kbd> completes · <kbd>↑</kbd><kbd>↓</kbd> choose · <kbd>Esc</kbd> closes</li></ul>` : nothing}
    <textarea id=${id} rows=${Math.min(8, d.text.split('\n').length)} aria-label=${name} placeholder=${name} aria-autocomplete="list"
      aria-controls=${list.length ? id + '-list' : nothing} aria-activedescendant=${list.length ? `${id}-${at}` : nothing}
      .value=${live(d.text)} @input=${typed} @keydown=${(ev) => keys(ev, c, thread, d)}></textarea>
    <button type="submit" class="send" aria-label="Send" ?disabled=${!d.text.trim()}>${icon('send')}</button>
    <p class="composer-note">${thread && d.text.startsWith('/') ? 'Slash commands do not work in threads.' : command?.hint ? html`<b>${command.command}</b> ${command.hint}` : thread || d.text ? nothing : html`<kbd>/</kbd> for commands`}</p>
  </form>`;
}
