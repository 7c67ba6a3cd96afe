// How an incident can be proven: its records, and the chain that they are part of.

import { copyable, facts, h, link, put, table } from '../dom.js';
import { timeOf } from '../time.js';
import { get } from '../api.js';

export function proof({ incident, revisions, decisions, events }) {
  const chain = h('p', null, 'The chain is checked …');
  check(chain);
  const rows = [
    ...events.map((it) => ['event', it.event_id, it.ts, it.generation, it.evidence?.plugin_digest]),
    ...revisions.map((it) => [`incident, revision ${it.revision}`, it.incident_id, it.ts, it.generation, it.plugin_digest]),
    ...decisions.map((it) => ['decision', it.decision_id, it.ts, it.generation, undefined]),
  ];
  return [
    h('h2', null, 'The chain'), chain,
    h('h2', null, 'Its records'),
    table('Records of this incident', ['Record', 'Id', 'When', 'Generation', 'Plugin'], rows.map(([what, id, ts, generation, digest]) =>
      [what, h('code', null, id), timeOf(ts), String(generation), digest ? h('code', { title: digest }, digest.slice(0, 16)) : ''])),
    h('p', null, 'Ids are hashes of what the records say, and the same on every host. Anybody can check them without Orion’s word:'),
    copyable(`orion incident show ${incident.incident_id.slice(0, 12)}\norion audit verify`),
  ];
}

/** Says whether every line of the trail is as it was written. */
export async function check(into) {
  try {
    const found = await get('audit');
    if (found.state === 'running') {
      setTimeout(() => into.isConnected && check(into), 3_000);
      return put(into, 'The chain is checked; it takes a while …');
    }
    return put(into, h('span', { class: `verdict ${found.holds ? 'holds' : 'broken'}` }, found.holds ? '✓ The whole trail holds' : '✗ The trail does not hold'),
      facts([['Records up to', String(found.position)], ['Lines', String(found.kinds.reduce((sum, kind) => sum + (kind.lines ?? 0), 0))], ['Findings', String(found.findings.length)]]),
      link({ page: 'audit' }, null, 'All of it'));
  } catch (error) {
    return put(into, `It cannot be checked: ${error.message}`);
  }
}
