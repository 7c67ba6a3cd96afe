// Sparklines of the rows that are seen. They are asked for many at a time, and again as long as some are being made.

import { h } from './dom.js';
import { get } from './api.js';
import { short, spark } from './chart.js';

/** Rows of one scroll are asked for together. */
const GATHER_MILLIS = 250;

/** How soon those that are being made are asked for again, and how often: then their rows have to be seen anew. */
const AGAIN_MILLIS = 3_000;
const MAX_TIMES = 40;

/** Incidents of one request. */
const MAX_ASKED = 100;

export class Sparks {
  #known = new Map();
  #wanted = new Map();
  #timer;

  end() {
    clearTimeout(this.#timer);
    this.#wanted.clear();
  }

  /** The place of a sparkline, which fills itself. */
  of(id) {
    const place = h('span', { class: 'sparks' });
    const known = this.#known.get(id);
    if (known) fill(place, known);
    else {
      this.#wanted.set(id, { place, times: 0 });
      this.#soon(GATHER_MILLIS);
    }
    return place;
  }

  #soon(millis) {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#ask();
    }, millis);
  }

  async #ask() {
    // Rows that were scrolled past are not worth a question.
    for (const [id, { place, times }] of this.#wanted) if (!place.isConnected || times >= MAX_TIMES) this.#wanted.delete(id);
    const ids = [...this.#wanted.keys()].slice(-MAX_ASKED);
    if (ids.length === 0) return;
    ids.forEach((id) => (this.#wanted.get(id).times += 1));
    // One that cannot be had is none; the row says all else.
    const { items } = await get('sparklines', { incidents: ids.join(',') }).catch(() => ({ items: [] }));
    for (const item of items) {
      const wanted = this.#wanted.get(item.incident_id);
      this.#known.set(item.incident_id, item);
      this.#wanted.delete(item.incident_id);
      if (wanted) fill(wanted.place, item);
    }
    if (this.#wanted.size > 0) this.#soon(AGAIN_MILLIS);
  }
}

function fill(place, item) {
  if (item.missing || item.peak === null) return;
  const bound = item.bound && { ...item.bound, value: Number(item.bound.value) };
  const title = `Peak ${short(item.peak)}${bound ? `, fires ${bound.operator} ${short(bound.value)}` : ''}`;
  // The same in three words for who sees the line.
  const brief = bound && h('span', { class: 'peak', 'aria-hidden': 'true' }, `${short(item.peak)} against ${short(bound.value)}`);
  place.replaceChildren(...[spark({ ...item, bound }, title), brief, h('span', { class: 'unseen' }, `${title}. `)].filter(Boolean));
}
