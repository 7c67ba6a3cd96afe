// Why an incident is there: from the decision back to what was measured, as it was recorded.

import { copyable, h, labels, link } from '../dom.js';
import { timeOf } from '../time.js';
import { severity } from '../severity.js';
import { short } from '../chart.js';

/** Events that are told of one revision; Evidence has all. */
const MAX_EVENTS = 20;

export function why({ incident, revisions, decisions, events }) {
  const byId = new Map(events.map((it) => [it.event_id, it]));
  const of = (revision) => decisions.find((it) => it.incident_revision === revision.revision);
  return [
    h('h2', null, 'From what was decided to what was measured'),
    h('ol', { class: 'tree' }, revisions.map((revision) => branch(revision, of(revision), revision.event_ids.map((id) => byId.get(id)).filter(Boolean)))),
    h('h2', null, 'Evaluated again'),
    h('p', null, 'The very code that runs live evaluates a rule once more, over what the source remembers, and shows each instant:'),
    copyable(`orion explain ${incident.incident_id.slice(0, 12)} --again`),
  ];
}

function branch(revision, decision, events) {
  return h('li', null,
    h('p', null, severity(revision.severity, revision.status === 'resolved'), ' ', h('b', null, `Revision ${revision.revision}: ${revision.status}`), ' ', timeOf(revision.ts)),
    h('ul', null,
      decision && h('li', null, h('span', { class: 'none' }, decision.decision_type), ` because ${decision.reason}`),
      h('li', null, 'because ', h('b', null, revision.reason), `, by the correlation ${revision.correlation} of generation ${revision.generation}, for `, labels(revision.key),
        h('p', { class: 'dim' }, `correlator ${revision.plugin}, `, h('code', { title: revision.plugin_digest }, revision.plugin_digest.slice(0, 16)))),
      events.slice(0, MAX_EVENTS).map((it) => h('li', null, leaf(it))),
      events.length > MAX_EVENTS && h('li', null, `and ${events.length - MAX_EVENTS} more events`)));
}

function leaf(it) {
  const rule = it.rule.startsWith('orion/') ? it.rule : link({ page: 'rule', id: it.rule }, null, it.rule);
  return [
    h('p', null, h('b', null, `${it.event_type} ${it.status}`), ' ', timeOf(it.ts), ' by the rule ', rule),
    it.data?.reason && h('p', null, String(it.data.reason)),
    it.data?.message && h('p', null, String(it.data.message)),
    it.evidence && [
      h('p', null, it.data?.value !== undefined && ['the value ', h('b', null, short(Number(it.data.value))), ' of '], h('code', null, it.evidence.expr),
        it.data?.active_since && [', seen first ', timeOf(it.data.active_since)]),
      h('p', { class: 'dim' }, `detector ${it.evidence.plugin}, `, h('code', { title: it.evidence.plugin_digest }, it.evidence.plugin_digest.slice(0, 16)),
        ', answer ', h('code', null, it.evidence.input_id.slice(0, 12))),
    ],
  ];
}
