// Times and durations: local, with UTC on hover, by the clock of the host.

import { h } from './dom.js';

let ahead = 0;
let pace = 1;
let told;

/** What the host says the time is. A recording that is played runs faster than time does. */
export function setClock(time) {
  const [host, here] = [Date.parse(time), Date.now()];
  if (!Number.isFinite(host)) return;
  if (told && here - told.here > 500) {
    const seen = (host - told.host) / (here - told.here);
    pace = seen > 1.5 ? seen : seen < 0.2 ? 0 : 1;
  }
  told = { host, here };
  ahead = host - here;
}

/** Now, by the clock of the host. */
export const now = () => (told && pace !== 1 ? told.host + (Date.now() - told.here) * pace : Date.now() + ahead);

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** The day of a time, in words. */
export const dayOf = (time) => longDay.format(new Date(time));

/** A time of day; with the day in front when that is another than today's. */
export function clockOf(time) {
  const at = new Date(time);
  const isToday = at.toDateString() === new Date(now()).toDateString();
  return isToday ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

/** A time, local; UTC on hover. */
export const timeOf = (time, text = clockOf(time)) => h('time', { datetime: time, title: `${time} (UTC)` }, text);

const UNITS = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1_000]];

/** A duration in its two largest units. */
export function durationOf(millis) {
  if (!Number.isFinite(millis)) return '–';
  if (millis < 1_000) return `${millis < 10 ? Math.max(0, millis).toFixed(1) : Math.round(millis)} ms`;
  const first = UNITS.findIndex(([, size]) => millis >= size);
  const [unit, size] = UNITS[first];
  const whole = `${Math.floor(millis / size)}${unit}`;
  const next = UNITS[first + 1];
  if (!next) return whole;
  const rest = Math.floor((millis % size) / next[1]);
  return rest === 0 ? whole : `${whole} ${String(rest).padStart(2, '0')}${next[0]}`;
}

/** A duration that goes on. */
export const ticking = (since) => h('span', { class: 'ticking', 'data-since': since }, goneBy(since));

/** In whole seconds: what goes on is not told more finely. */
const goneBy = (since) => durationOf(Math.max(1_000, now() - Date.parse(since)));

setInterval(() => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll('[data-since]')) {
    const text = goneBy(element.dataset.since);
    if (element.textContent !== text) element.textContent = text;
  }
}, 1_000);
