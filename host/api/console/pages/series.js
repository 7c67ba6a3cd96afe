// The series behind an event around its moment, as its source remembers it now.

import { facts, h, labels, put, table } from '../dom.js';
import { clockOf, timeOf } from '../time.js';
import { get } from '../api.js';
import { fitted, seriesOver, short } from '../chart.js';

/** What will not be another is asked for once in the life of the page. */
const known = new Map();

/** Fills itself as soon as there is an answer. */
export function series({ incident, events }, event) {
  const frame = h('div', { class: 'around' }, h('p', { class: 'dim' }, `Asking ${event.source} …`));
  read();
  return frame;

  async function read() {
    try {
      const told = known.get(event.event_id) ?? await get(`incidents/${incident.incident_id}/series`, { event: event.event_id });
      if (told.series.whole) known.set(event.event_id, told);
      put(frame, shown(told.series, event, events));
    } catch (error) {
      const again = h('button', { type: 'button', class: 'quiet', onclick: read }, 'Ask again');
      put(frame, h('p', { class: 'note' }, `The series cannot be shown: ${error.message} `, again));
    }
  }
}

function shown(told, event, events) {
  const page = pageOf(told);
  if (told.missing) return [h('p', { class: 'note' }, 'No series is shown: ', told.missing, '.'), page];
  const [from, to] = [Date.parse(told.from), Date.parse(told.to)];
  const samples = told.samples.map(([at, value]) => [Date.parse(at), Number(value)]);
  const bounds = told.bounds.map((bound) => ({ ...bound, value: Number(bound.value) }));
  const marks = events.filter((it) => it.fingerprint === event.fingerprint && it.evidence)
    .map((it) => markOf(it, samples))
    .filter((mark) => mark.at >= from && mark.at <= to);
  const label = `The series around ${clockOf(event.ts)}: ${samples.length} samples, ${marks.length} events, ${bounds.map((one) => `fires ${one.operator} ${short(one.value)}`).join(', ') || 'no bound'}`;
  return [
    fitted((width) => seriesOver(label, width, { from, to, step: told.step_millis, samples, bounds, marks })),
    h('p', { class: 'dim' }, 'Line: ', h('code', null, told.expr), '. Full dots: it fired. Hollow: it was over. ', bounds.length > 0 && 'Dashed: where it begins to fire. ',
      /[<>=]=?\s*[-+.\d]+\s*$/.test(told.expr) && 'Asked as the rule asks, so there are samples only while it fires. ',
      told.others > 0 && `${told.others} other series are in the answer. `, 'It is what the source says now, and no record. ', page),
    h('details', null, h('summary', null, 'As a table'),
      facts([['From', timeOf(told.from)], ['To', timeOf(told.to)], ['Series', labels(told.labels)]]),
      table(label, ['When', 'Value', 'What'], rows(samples, marks).map(([at, value, words]) => [timeOf(new Date(at).toISOString()), h('span', { class: 'number', title: String(value) }, short(value)), words]))),
  ];
}

/** An event of the series. One that is over has the value at which it fired, so where it lies is told by the samples. */
function markOf(it, samples) {
  const at = Date.parse(it.evidence.instant);
  const isOver = it.status === 'resolved';
  const sample = samples.find(([when]) => when === at)?.[1] ?? samples.findLast(([when]) => when <= at)?.[1];
  const value = isOver ? sample : Number(it.data?.value ?? sample);
  return { at, value, isOver, severity: it.severity, title: `${it.status} at ${clockOf(it.ts)}${Number.isFinite(value) ? `: ${short(value)}` : ''}`, status: it.status };
}

const rows = (samples, marks) => [...samples.map(([at, value]) => [at, value, '']), ...marks.map((mark) => [mark.at, mark.value, mark.status])]
  .sort(([a, , x], [b, , y]) => a - b || x.length - y.length);

/** The query where its source shows it. An address that is none of the web is not followed. */
function pageOf({ page }) {
  if (!page || !/^https?:$/.test(new URL(page, location.href).protocol)) return undefined;
  return h('a', { href: page, target: '_blank', rel: 'noreferrer noopener' }, 'The query in Prometheus');
}
