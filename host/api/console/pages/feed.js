// The landing page: what is open on top, then everything that happened, live.

import { h, labels, link, put, table } from '../dom.js';
import { clockOf, dayOf, durationOf, now, ticking, timeOf } from '../time.js';
import { SEVERITIES, severity } from '../severity.js';
import { get } from '../api.js';
import { bars } from '../chart.js';
import { changed, choice, filters, search } from '../filters.js';
import { Incidents } from '../incidents.js';
import { VirtualList } from '../list.js';
import { Sparks } from '../sparks.js';

/** Records heard at once beyond which the list is read anew: it would be drawn once for each of them. */
const FLOOD = 400;

const SPANS = [['', 'any time'], ['1h', 'last hour'], ['24h', 'last day'], ['7d', 'last week']];
const SPAN_MILLIS = { '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000 };

const wide = matchMedia('(min-width: 760px)');

export function feed(main, initial, shell) {
  let [params, open, over] = [initial, undefined, undefined];
  const [told, sparks] = [new Map(), new Sparks()];
  const [hero, note] = [h('section', { class: 'hero', 'aria-label': 'Now' }), h('p', { class: 'note' })];
  const list = new VirtualList({
    label: 'Incidents',
    top: shell.top,
    height: (item) => (item.kind === 'heading' ? 40 : wide.matches ? 46 : 112),
    key: (item) => item.record?.incident_id ?? item.text,
    isRow: (item) => item.kind === 'incident',
    draw: (item) => (item.kind === 'heading' ? heading(item) : row(item.record, sparks)),
    more: () => open && (open.isWhole ? over : open).more(),
  });
  const filter = (name) => (value) => shell.go(changed(shell.params(), name, value), true);
  put(main, h('h1', { class: 'unseen' }, 'Feed'), hero,
    filters(search('Search incidents', params.q, filter('q')),
      choice('Severity', params.severity, [['', 'all'], ...SEVERITIES.map((one) => [one, one])], filter('severity')),
      choice('State', params.state, [['', 'all'], ['open', 'open'], ['resolved', 'resolved']], filter('state')),
      choice('Opened', params.since, SPANS, filter('since')),
      link({ page: 'audit' }, { class: 'beside' }, 'All events')),
    note, list.element);

  function compose() {
    const items = [];
    if (params.state !== 'resolved' && (open.items.length || params.state === 'open')) {
      items.push({ kind: 'heading', text: 'Open', count: `${open.items.length}${open.isWhole ? '' : '+'}` }, ...open.items);
    }
    let day;
    for (const item of open.isWhole ? over.items : []) {
      const text = dayOf(item.record.opened_at);
      if (text !== day) items.push({ kind: 'heading', text: (day = text) });
      items.push(item);
    }
    list.set(items);
    const failed = open.failed ?? over.failed;
    const isEmpty = items.length === 0 && open.isWhole && over.isWhole;
    note.textContent = failed ? `The list cannot be read: ${failed.message}` : isEmpty ? 'No incident passes these filters.' : '';
  }

  let [reads, meanwhile] = [0, []];
  async function read() {
    const turn = ++reads;
    meanwhile = [];
    const from = SPAN_MILLIS[params.since] && new Date(now() - SPAN_MILLIS[params.since]).toISOString();
    const wanted = { q: params.q, severity: params.severity, incident_type: params.type, from };
    const nothing = (state) => params.state && params.state !== state;
    const [nextOpen, nextOver] = ['open', 'resolved'].map((state) => {
      const source = new Incidents({ ...wanted, state }, told, () => source === open || source === over ? compose() : undefined);
      source.isWhole = Boolean(nothing(state));
      return source;
    });
    // What is there stays until there is something else.
    await Promise.all([nextOpen.more(), nextOver.more()]);
    if (turn !== reads) return;
    [open, over].forEach((source) => source?.end());
    [open, over] = [nextOpen, nextOver];
    // What was heard while the lists were read may be in them or not.
    take(meanwhile);
    meanwhile = undefined;
    compose();
  }

  /** Takes in what was heard; true when it changes what is here. */
  function take(records) {
    const isOther = records.map((record) => [open.hear(record), over.hear(record)].some(Boolean)).some(Boolean);
    if (isOther) [open, over].forEach((source) => source.settle());
    return isOther;
  }

  async function drawHero() {
    const newest = await get('incidents', { limit: 500 }).catch(() => undefined);
    if (!newest) return;
    const open = hero.querySelector('details')?.open;
    put(hero, standing(shell.summary), activity(newest));
    if (open) hero.querySelector('details').open = true;
  }

  const page = {
    end() {
      reads += 1;
      clearInterval(page.timer);
      [open, over].forEach((source) => source?.end());
      list.end();
      sparks.end();
    },
    update(next) {
      const isSame = ['q', 'severity', 'state', 'since', 'type'].every((name) => next[name] === params[name]);
      params = next;
      for (const [label, name] of [['Severity', 'severity'], ['State', 'state'], ['Opened', 'since']]) {
        const field = [...main.querySelectorAll('.field')].find((one) => one.textContent.startsWith(label))?.querySelector('select');
        if (field) field.value = next[name] ?? '';
      }
      const field = main.querySelector('input[type=search]');
      if (field && field !== document.activeElement) field.value = next.q ?? '';
      if (!isSame) read();
    },
    reread() {
      read();
      drawHero();
    },
    onRecords(records) {
      if (records.length > FLOOD) return page.reread();
      meanwhile?.push(...records);
      if (open && take(records)) compose();
    },
    onSummary(summary) {
      const next = standing(summary);
      if (hero.firstElementChild && hero.firstElementChild.textContent !== next.textContent) hero.firstElementChild.replaceWith(next);
    },
    walk: (step) => list.walk(step),
  };
  page.timer = setInterval(() => document.hidden || drawHero(), 60_000);
  read();
  drawHero();
  return page;
}

function standing(summary) {
  const counts = summary?.incidents?.open;
  const total = SEVERITIES.reduce((sum, one) => sum + (counts?.[one] ?? 0), 0);
  const watched = summary ? `${summary.rules} rules in ${summary.groups} groups are watched.` : '';
  if (!counts) return h('div', { class: 'now' }, h('p', { class: 'quiet-line' }, 'Reading what was recorded …'));
  if (total === 0) {
    return h('div', { class: 'now calm' }, h('p', { class: 'big' }, 'All quiet'), h('p', { class: 'dim' }, `Nothing is open. ${watched}`));
  }
  return h('div', { class: 'now' }, h('p', { class: 'big' }, String(total), h('span', null, total === 1 ? ' incident is open' : ' incidents are open')),
    h('p', { class: 'dim' }, SEVERITIES.filter((one) => counts[one]).map((one) => `${counts[one]} ${one}`).join(', '), `. ${watched}`));
}

function activity({ items, next }) {
  if (items.length === 0) return h('div', { class: 'activity' });
  const BARS = 60;
  const opened = items.map((it) => [Date.parse(it.opened_at), it.severity]);
  const [first, last] = [Math.min(...opened.map(([at]) => at)), Math.max(...opened.map(([at]) => at), now())];
  const size = Math.max(1_000, Math.ceil((last - first + 1) / BARS));
  const buckets = Array.from({ length: BARS }, (_, at) => ({ from: last - (BARS - at) * size, to: last - (BARS - at - 1) * size, counts: {} }));
  for (const [at, word] of opened) {
    const bucket = buckets[Math.max(0, BARS - 1 - Math.floor((last - at) / size))];
    bucket.counts[word] = (bucket.counts[word] ?? 0) + 1;
  }
  const label = `When ${next ? `the newest ${items.length}` : `all ${items.length}`} incidents opened, ${durationOf(size)} a bar`.replace('all 1 incidents', 'the one incident');
  const filled = buckets.filter(({ counts }) => Object.keys(counts).length);
  return h('div', { class: 'activity' }, bars(label, buckets, SEVERITIES),
    h('div', { class: 'span' }, h('span', null, clockOf(buckets[0].from)), h('span', null, label), h('span', null, 'now')),
    h('details', null, h('summary', null, 'As a table'),
      table(label, ['From', ...SEVERITIES], filled.map(({ from, counts }) => [clockOf(from), ...SEVERITIES.map((one) => String(counts[one] ?? 0))]))));
}

const heading = (item) => h('h2', { class: 'heading' }, item.text, item.count && h('span', { class: 'dim' }, ` ${item.count}`));

function row(it, sparks) {
  const isOver = it.status === 'resolved';
  const length = isOver ? h('span', null, durationOf(Date.parse(it.ts) - Date.parse(it.opened_at))) : ticking(it.opened_at);
  return link({ page: 'incident', id: it.incident_id }, { class: `row ${it.severity}${isOver ? ' over' : ''}` },
    severity(it.severity, isOver),
    h('span', { class: 'what' }, h('b', null, it.summary), h('span', { class: 'sub' }, h('span', { class: 'type' }, it.incident_type), labels(it.key))),
    h('span', { class: 'why', title: it.decision?.reason }, it.decision && [h('span', { class: 'none' }, it.decision.decision_type), ` — ${briefly(it.decision.reason)}`]),
    sparks.of(it.incident_id),
    h('span', { class: 'events' }, `${it.event_count} ${it.event_count === 1 ? 'event' : 'events'}`),
    h('span', { class: 'length' }, isOver ? h('span', { class: 'unseen' }, 'lasted ') : h('span', { class: 'unseen' }, 'open for '), length),
    h('span', { class: 'opened' }, timeOf(it.opened_at)));
}

/** What every reason begins with is said in two letters; the whole of it is on hover, and with the incident. */
const briefly = (reason) => reason.replace(/^autonomy level (N\d): [^;]*; /, '$1; ');
