// time owns how moments are written: in the reader's time zone, as Slack writes them.

import { state } from './store.js';

const formats = new Map();
const zone = () => state.me?.tz || 'UTC';
const hour12 = new Intl.DateTimeFormat(navigator.language, { hour: 'numeric' }).resolvedOptions().hour12 ?? true;

function format(options) {
  const k = zone() + JSON.stringify(options);
  let f = formats.get(k);
  if (!f) {
    try { f = new Intl.DateTimeFormat('en-US', { timeZone: zone(), ...options }); } catch { f = new Intl.DateTimeFormat('en-US', { timeZone: 'UTC', ...options }); }
    formats.set(k, f);
  }
  return f;
}

// real says whether a moment is one that calendars know; messages may hold any number.
export const real = (t) => Number.isFinite(t) && Math.abs(t) < 8.64e15;
const write = (t, options) => (real(t) ? format(options).format(t) : '?');
const part = (t, options, type) => (real(t) ? format(options).formatToParts(t).find((p) => p.type === type).value : '?');

export const ms = (ts) => parseFloat(ts) * 1000;
export const clock = (t) => write(t, { hour: 'numeric', minute: '2-digit', hour12 });
export const full = (t) => `${write(t, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' })} at ${write(t, { hour: 'numeric', minute: '2-digit', second: '2-digit', hour12 })} (${zone()})`;
// day identifies a calendar day in the reader's zone.
export const day = (t) => `${part(t, { year: 'numeric' }, 'year')}-${part(t, { month: '2-digit' }, 'month')}-${part(t, { day: '2-digit' }, 'day')}`;

const DAY = 86_400_000;

function ordinal(n) {
  const tens = n % 100;
  return n + (tens > 10 && tens < 14 ? 'th' : ({ 1: 'st', 2: 'nd', 3: 'rd' })[n % 10] ?? 'th');
}

// pretty is "Today" and its neighbours, or ''.
function pretty(t) {
  const d = day(t);
  return d === day(state.now) ? 'Today' : d === day(state.now - DAY) ? 'Yesterday' : d === day(state.now + DAY) ? 'Tomorrow' : '';
}

// Slack leaves the year out within half a year from now.
const year = (t) => (Math.abs(t - state.now) < 183 * DAY ? '' : ', ' + part(t, { year: 'numeric' }, 'year'));
const long = (t) => `${write(t, { month: 'long' })} ${ordinal(+part(t, { day: 'numeric' }, 'day'))}${year(t)}`;

export const dayName = (t) => pretty(t) || `${write(t, { weekday: 'long' })}, ${long(t)}`;

export function ago(t) {
  const s = Math.round((state.now - t) / 1000);
  const say = (n, unit) => `${n} ${unit}${n === 1 ? '' : 's'}`;
  const a = Math.abs(s);
  const span = a < 45 ? '' : a < 2700 ? say(Math.max(1, Math.round(a / 60)), 'minute') : a < 79_200 ? say(Math.max(1, Math.round(a / 3600)), 'hour') : say(Math.max(1, Math.round(a / 86_400)), 'day');
  return !span ? 'just now' : s < 0 ? 'in ' + span : span + ' ago';
}

// dateText is Slack's date formatting: <!date^EPOCH^format|fallback> and rich text dates. A token that Slack does not know
// makes it show the fallback.
export function dateText(epoch, pattern, fallback) {
  const t = epoch * 1000;
  let known = real(t);
  const dates = {
    date_num: day, date_slash: (x) => write(x, { year: 'numeric', month: '2-digit', day: '2-digit' }),
    date: long, date_short: (x) => write(x, { month: 'short', day: 'numeric' }) + year(x),
    date_long: (x) => `${write(x, { weekday: 'long' })}, ${long(x)}`, date_long_full: (x) => `${write(x, { weekday: 'long' })}, ${long(x)}`,
    day_divider_pretty: dayName, time: clock,
    time_secs: (x) => write(x, { hour: 'numeric', minute: '2-digit', second: '2-digit', hour12 }), ago,
  };
  const text = known && pattern.replace(/\{(\w+)\}/g, (_, token, at) => {
    const base = token.replace(/_pretty$/, '');
    const word = token !== base && dates[base] && pretty(t);
    if (word) return at === 0 ? word : word.toLowerCase();
    const f = dates[token] ?? dates[base];
    if (!f) known = false;
    return f ? f(t) : '';
  });
  return known ? text : fallback || pattern;
}

// epochOf reads a date and time of day (2026-11-22T09:30) in the reader's zone.
export function epochOf(local) {
  const utc = Date.parse(local + 'Z');
  const wall = (t) => Date.parse(localOf(t / 1000) + 'Z');
  let t = utc - (wall(utc) - utc);
  t = utc - (wall(t) - t); // again, in case the first guess was on the other side of a clock change
  return Math.round(t / 1000);
}

export function localOf(epoch) {
  const p = Object.fromEntries(format({ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).formatToParts(epoch * 1000).map((x) => [x.type, x.value]));
  return `${p.year}-${p.month}-${p.day}T${p.hour}:${p.minute}`;
}
