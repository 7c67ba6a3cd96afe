// One incident: what was seen, when, why, how it can be proven, and as it was recorded.

import { copyable, facts, h, labels, link, put, table } from '../dom.js';
import { clockOf, durationOf, now, ticking, timeOf } from '../time.js';
import { severity } from '../severity.js';
import { get } from '../api.js';
import { fitted, lanes, points, short } from '../chart.js';
import { series } from './series.js';
import { proof } from './proof.js';
import { why } from './why.js';

const TABS = [['evidence', 'Evidence', evidence], ['timeline', 'Timeline', timeline], ['why', 'Why', why], ['audit', 'Audit', proof], ['raw', 'Raw', raw]];

/** Lanes that are drawn; the table has all. */
const MAX_LANES = 40;

export function incident(main, initial, shell) {
  let [params, story] = [initial, undefined];
  const page = {
    title: 'Incident',
    update(next) {
      const wasTab = params.tab;
      params = next;
      if (next.tab !== wasTab) draw();
    },
    onRecords(records) {
      const isOurs = ({ kind, record }) => (kind === 'event' ? record.rule === 'orion/incident_marked' && record.data?.incident_id : record.incident_id) === story?.incident.incident_id;
      if (records.some(isOurs)) read();
    },
    reread: read,
    walk(step) {
      const rows = [...main.querySelectorAll('.tabs a')];
      rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length]?.focus();
    },
  };

  async function read() {
    try {
      story = await get(`incidents/${encodeURIComponent(params.id ?? '')}`);
    } catch (error) {
      if (!story) put(main, h('section', { class: 'card' }, h('h1', null, 'No such incident'), h('p', null, error.message), link({}, null, 'Back to the feed')));
      return;
    }
    page.title = story.incident.summary;
    draw();
  }

  function draw() {
    if (!story) return;
    const tab = TABS.find(([name]) => name === params.tab) ?? TABS[0];
    const kept = { page: 'incident', id: params.id };
    const focused = main.querySelector('.tabs')?.contains(document.activeElement);
    put(main, head(story),
      h('nav', { class: 'tabs', 'aria-label': 'Parts of the incident' }, TABS.map((one) =>
        link({ ...kept, tab: one === TABS[0] ? '' : one[0] }, { 'aria-current': one === tab ? 'page' : null, 'data-replace': true }, one[1]))),
      h('section', { class: 'part', 'aria-label': tab[1] }, tab[2](story, shell)));
    if (focused) main.querySelector('.tabs [aria-current]')?.focus();
  }
  put(main, h('p', { class: 'boot' }, 'Reading the incident …'));
  read();
  return page;
}

function head({ incident: it, decisions, marks }) {
  const isOver = it.status === 'resolved';
  const decision = decisions.at(-1);
  const last = marks?.at(-1);
  const mark = last?.withdrawn ? null : last;
  return h('header', { class: `subject ${it.severity}${isOver ? ' over' : ''}` },
    h('p', { class: 'line' }, severity(it.severity, isOver), h('span', { class: 'word' }, isOver ? 'resolved' : 'open'), h('span', { class: 'type' }, it.incident_type)),
    h('h1', null, it.summary),
    labels(it.key),
    facts([
      ['Opened', timeOf(it.opened_at)],
      isOver ? ['Lasted', durationOf(Date.parse(it.ts) - Date.parse(it.opened_at))] : ['Open for', ticking(it.opened_at)],
      isOver && ['Resolved', timeOf(it.ts)],
      ['Events', String(it.event_count)],
      mark && ['Marked', h('span', { title: `${mark.ts}` }, `${mark.verdict}, by ${mark.by}${mark.note ? `: ${mark.note}` : ''}`)],
      it.previous && ['Before it', link({ page: 'incident', id: it.previous }, null, 'another of this group')],
    ]),
    h('p', { class: 'decision' }, h('span', { class: 'none' }, decision?.decision_type ?? 'NO_ACTION'), decision ? ` — ${decision.reason}` : '',
      h('span', { class: 'dim' }, 'There is no button here: Orion has no means to act, at any level. What is to be done, people do.')));
}

/** What each event saw. */
function evidence(story) {
  const { events, events_not_found: missing } = story;
  const seen = events.filter((it) => it.status !== 'resolved' && Number.isFinite(it.data?.value));
  const drawn = seen.length > 1 && fitted((width) => points('The value of each event, at the instant it fired', width,
    seen.map((it) => ({ at: Date.parse(it.ts), value: it.data.value, severity: it.severity, title: `${short(it.data.value)} at ${clockOf(it.ts)}: ${it.rule}` }))));
  return [
    drawn && [h('h2', null, 'Values that fired'), drawn],
    h('h2', null, events.length === 1 ? 'One event' : `${events.length} events`),
    missing && h('p', { class: 'note' }, `${missing} more lie too far back, or are kept no more.`),
    table('Events of this incident', ['When', 'How bad', 'What', 'Value', 'Rule', 'Labels'], events.map((it) => [
      timeOf(it.ts), severity(it.severity, it.status === 'resolved'), `${it.event_type} ${it.status}`, value(it),
      it.rule.startsWith('orion/') ? it.rule : link({ page: 'rule', id: it.rule }, null, it.rule), labels(it.labels, ['alertname', 'event_type', 'severity'])])),
    h('h2', null, 'What was asked'),
    events.filter((it) => it.evidence).map((it, at) => asked(story, it, at === 0)),
  ];
}

const value = (it) => (it.data?.value === undefined ? '' : h('span', { class: 'number', title: String(it.data.value) }, short(Number(it.data.value))));

function asked(story, it, isOpen) {
  const said = Object.values(it.annotations ?? {}).join(' · ');
  const place = h('div', null, isOpen && series(story, it));
  const open = (event) => event.target.open && !place.firstChild && place.append(series(story, it));
  return h('details', { class: 'asked', open: isOpen, ontoggle: open },
    h('summary', null, timeOf(it.ts), ' ', h('b', null, it.event_type), ` ${it.status} `, h('span', { class: 'dim' }, said)),
    copyable(it.evidence.expr),
    place,
    facts([
      ['Asked for', timeOf(it.evidence.instant)], ['In UTC', h('code', null, it.evidence.instant)], ['Source', it.source],
      ['Answer', h('code', { title: 'Hash of the answer: equal for equal answers' }, it.evidence.input_id)],
      ['Seen first', it.data?.active_since && timeOf(it.data.active_since)],
      ['Detector', `${it.evidence.plugin} (${it.evidence.contract})`], ['Its bytes', h('code', null, it.evidence.plugin_digest)],
      ['Work', `${short(it.evidence.fuel)} fuel`],
    ]));
}

/** What happened when: a lane for each alert, a flag for each revision. */
function timeline(story) {
  const { incident: it, revisions, decisions, events } = story;
  const end = it.status === 'resolved' ? Date.parse(it.ts) : now();
  const rows = lanesOf(events, end);
  const begin = Math.min(Date.parse(it.opened_at), ...rows.flatMap((row) => row.bars.map((bar) => bar.since)));
  const pad = Math.max(1_000, (end - begin) / 40);
  const marks = revisions.map((one) => ({ at: Date.parse(one.ts), severity: one.severity, title: `${one.status}: ${one.reason}, ${clockOf(one.ts)}` }));
  const told = [
    ...events.map((one) => [one.ts, severity(one.severity, one.status === 'resolved'), `event ${one.status}`, one.annotations?.summary ?? one.event_type]),
    ...revisions.map((one) => [one.ts, severity(one.severity, one.status === 'resolved'), `incident ${one.status}`, one.reason]),
    ...decisions.map((one) => [one.ts, '', one.decision_type, one.reason]),
    ...(story.marks ?? []).map((one) => [one.ts, '', `${one.withdrawn ? 'withdrawn' : 'marked'} ${one.verdict}`, `by ${one.by}${one.note ? `: ${one.note}` : ''}`]),
  ].map((row, at) => [row, at]).sort(([a, i], [b, j]) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : i - j)).map(([row]) => row);
  return [
    h('h2', null, 'Lanes'),
    rows.length > MAX_LANES && h('p', { class: 'note' }, `${MAX_LANES} of ${rows.length} alerts are drawn; the table has all.`),
    fitted((width) => lanes('When each alert was pending and fired, and the revisions of the incident', width,
      { from: begin - pad, to: end + pad, rows: rows.slice(0, MAX_LANES), marks })),
    h('p', { class: 'dim' }, 'Thin: pending. Full: firing. Flags: revisions of the incident.'),
    h('h2', null, 'In order'),
    table('What happened, in order', ['When', 'How bad', 'What', 'Words'], told.map(([ts, ...rest]) => [timeOf(ts), ...rest])),
  ];
}

function lanesOf(events, end) {
  const rows = new Map();
  for (const it of events) {
    const key = `${it.rule} ${it.fingerprint}`;
    if (!rows.has(key)) rows.set(key, { name: laneName(it), bars: [] });
    const { bars } = rows.get(key);
    const at = Date.parse(it.ts);
    const running = bars.findLast((bar) => bar.open);
    if (it.status === 'resolved' && running) Object.assign(running, { to: at, open: false });
    else {
      const fired = it.status === 'resolved' ? Date.parse(it.data?.fired_at ?? it.ts) : at;
      bars.push({ from: fired, since: Date.parse(it.data?.active_since ?? it.ts), to: it.status === 'firing' ? end : at, open: it.status === 'firing',
        severity: it.severity, title: it.annotations?.summary ?? it.event_type });
    }
  }
  return [...rows.values()];
}

const laneName = (it) => `${it.rule.split('/').at(-1)}  ${it.annotations?.summary ?? ''}`;

function raw(story) {
  return [h('h2', null, 'As it was recorded'), copyable(JSON.stringify(story, null, 2))];
}
