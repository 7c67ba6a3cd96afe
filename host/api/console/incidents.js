// Incidents under a filter, the newest first, page by page as the list is scrolled, and kept up by what is heard.

import { get } from './api.js';

/** Incidents of the first page, which is waited for, and of those behind it. */
const [FIRST, MORE] = [100, 500];

const texts = (record) => `${record.incident_type} ${record.summary} ${Object.entries(record.key).flat().join(' ')}`.toLowerCase();

export class Incidents {
  #cursor;
  #abort = new AbortController();
  #loading;
  #byId = new Map();

  /** `told`: the last revision and decision of each incident, for all lists: one that is over moves from one to another. */
  constructor(filter, told, changed) {
    this.filter = filter;
    this.told = told;
    this.changed = changed;
    this.items = [];
    this.isWhole = false;
  }

  end() {
    this.#abort.abort();
  }

  /** The next page, unless it is on its way already. */
  more() {
    if (this.isWhole || this.failed) return undefined;
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #load() {
    try {
      const params = { ...this.filter, decisions: true, limit: this.#cursor ? MORE : FIRST, cursor: this.#cursor };
      const page = await get('incidents', params, { signal: this.#abort.signal });
      this.#cursor = page.next;
      this.isWhole = !page.next;
      page.items.filter((record) => !this.#byId.has(record.incident_id)).forEach((record) => this.#keep(record));
      this.#order();
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.failed = error;
    }
    this.changed();
  }

  /** A record that was heard. True when it changes what is here. */
  hear({ kind, record }) {
    if (kind === 'decision') return this.#decide(record);
    if (kind !== 'incident') return false;
    // The list was read after what is heard now was recorded, and knows better.
    if (record.revision < (this.told.get(record.incident_id)?.revision ?? 0)) return false;
    const known = this.#byId.get(record.incident_id);
    if (!this.#passes(record)) {
      if (known) this.#byId.delete(record.incident_id);
      return Boolean(known);
    }
    // One that belongs below what is loaded comes with its page.
    if (!known && !this.isWhole && record.opened_at < (this.items.at(-1)?.record.opened_at ?? '')) return false;
    this.#keep(record);
    return true;
  }

  /** After records were heard. */
  settle() {
    this.#order();
  }

  #decide(decision) {
    this.told.set(decision.incident_id, { ...this.told.get(decision.incident_id), decision });
    const known = this.#byId.get(decision.incident_id);
    if (known) this.#keep({ ...known.record, decision });
    return Boolean(known);
  }

  #passes(record) {
    const { state, severity, incident_type: type, q, from } = this.filter;
    return (!state || (state === 'open') === (record.status !== 'resolved'))
      && (!severity || severity === record.severity)
      && (!type || type === record.incident_type)
      && (!from || record.opened_at >= from)
      && (!q || texts(record).includes(q.toLowerCase()));
  }

  #keep(record) {
    const id = record.incident_id;
    const before = this.told.get(id);
    const told = { revision: Math.max(before?.revision ?? 0, record.revision), decision: record.decision ?? before?.decision };
    this.told.set(id, told);
    this.#byId.set(id, { kind: 'incident', record: { ...record, decision: told.decision } });
  }

  #order() {
    const age = ({ record }) => `${record.opened_at} ${record.incident_id}`;
    this.items = [...this.#byId.values()].map((item) => [age(item), item])
      .sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0)).map(([, item]) => item);
  }
}
