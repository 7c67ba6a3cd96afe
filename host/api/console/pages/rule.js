// One rule: what it asks, how it stands, how it is written, and its alerts.

import { copyable, facts, h, labels, link, put, table } from '../dom.js';
import { durationOf, ticking, timeOf } from '../time.js';
import { get } from '../api.js';
import { severity } from '../severity.js';
import { source } from './source.js';
import { MEANINGS, standing, standingOf } from '../standing.js';

/** Events of the rule that are shown. */
const EVENTS = 50;

const EVERY_MILLIS = 10_000;

export function rule(main, params, shell) {
  const page = { title: params.id, end: () => clearInterval(page.timer), reread: read, onRecords };
  put(main, h('p', { class: 'boot' }, 'Reading the rule …'));

  async function read() {
    try {
      const [found, events, file] = await Promise.all([
        get('rules', { q: params.id, limit: 500 }), get('events', { rule: params.id, limit: EVENTS }), fileOf(params.id ?? '')]);
      const told = found.items.find((it) => it.rule === params.id);
      const isOpen = main.querySelector('.whole')?.open;
      put(main, told ? shown(told, file) : h('section', { class: 'card' }, h('h1', null, 'This rule does not run'),
        h('p', null, h('code', null, params.id ?? ''), ' is in no rule file that is live; what it recorded is kept.')), happened(events));
      if (isOpen && main.querySelector('.whole')) main.querySelector('.whole').open = true;
    } catch (error) {
      put(main, h('section', { class: 'card' }, h('h1', null, 'The rule cannot be read'), h('p', null, error.message)));
    }
  }

  function onRecords(records) {
    if (records.some(({ kind, record }) => kind === 'event' && record.rule === params.id)) read();
  }
  page.timer = setInterval(() => document.hidden || main.contains(document.activeElement) || read(), EVERY_MILLIS);
  read();
  return page;
}

/** The file that a rule stands in; a rule that is gone may have none. */
async function fileOf(id) {
  try {
    return await get(`rule-files/${encodeURIComponent(id.split('/')[0])}`);
  } catch (error) {
    if (error.status === 404) return undefined;
    throw error;
  }
}

function shown(it, file) {
  const [word, last] = [standingOf(it), it.last_evaluation];
  return [
    h('header', { class: `subject ${word}` },
      h('p', { class: 'line' }, standing(word, it.firing || it.pending || ''), h('span', { class: 'dim' }, MEANINGS[word])),
      h('h1', null, it.name),
      h('p', { class: 'dim' }, h('code', null, it.rule), `, line ${it.line}`),
      it.health?.message && h('p', { class: 'refused' }, it.health.message),
      facts([
        ['Outcome', it.health && `${it.health.outcome}${it.health.late ? ', late' : ''}`], ['Since', it.health && timeOf(it.health.since)],
        ['Last evaluation', last && [ticking(last.instant), ' ago']], ['Its group took', last && durationOf(last.group_seconds * 1_000)],
        ['Evaluations', last && `${last.evaluations}, ${last.failures} failed`], ['Has to hold for', it.for_millis ? durationOf(it.for_millis) : 'one evaluation'],
        ['Detector', link({ page: 'plugins' }, null, it.plugin)], ['Its bytes', h('code', { title: it.plugin_digest }, it.plugin_digest.slice(0, 16))],
        ['Group', link({ page: 'rules', q: it.group }, null, it.group)],
      ])),
    h('h2', null, 'Query'), copyable(it.expr),
    source(file, it.line),
    h('h2', null, `Alerts: ${it.firing} firing, ${it.pending} pending`),
    it.alerts.length > 0 && table('Alerts of this rule', ['State', 'Since', 'Fired', 'Labels'], it.alerts.map((alert) => [
      standing(alert.fired_at ? 'firing' : 'pending'), timeOf(alert.since), alert.fired_at ? timeOf(alert.fired_at) : '', labels(alert.labels, ['alertname'])])),
    it.alerts.length < it.firing + it.pending && h('p', { class: 'note' }, `The first ${it.alerts.length} are told.`),
  ];
}

const happened = ({ items }) => [
  h('h2', null, items.length ? 'What it recorded' : 'It recorded nothing so far'),
  items.length > 0 && table('Events of this rule', ['When', 'How bad', 'What', 'Words'], items.map((it) => [
    timeOf(it.ts), severity(it.severity, it.status === 'resolved'), `${it.event_type} ${it.status}`, it.annotations?.summary ?? labels(it.labels)])),
];
