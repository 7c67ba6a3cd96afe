// How Orion itself is: its parts, how far each stage has read, hosts and partitions.

import { facts, h, put, table } from '../dom.js';
import { durationOf } from '../time.js';
import { get } from '../api.js';
import { short } from '../chart.js';

const EVERY_MILLIS = 5_000;

export function system(main) {
  const body = h('div', null, h('p', { class: 'boot' }, 'Reading …'));
  put(main, h('h1', null, 'System'), body);

  async function read() {
    const asked = ['summary', '../../health', 'persistence', 'nodes', 'partitions'];
    const told = await Promise.allSettled(asked.map((path) => get(path)));
    const [summary, health, kept, nodes, partitions] = told.map((it) => it.value);
    const failed = told.find((it) => it.status === 'rejected');
    put(body, failed && h('p', { class: 'note' }, `Not all of it can be read: ${failed.reason.message}`),
      health && parts(health, summary), kept && records(kept), nodes && hosts(nodes.items), partitions?.items.length > 0 && shares(partitions.items));
  }
  const page = { end: () => clearInterval(page.timer), reread: read };
  page.timer = setInterval(() => document.hidden || main.querySelector('.table:focus-within') || read(), EVERY_MILLIS);
  read();
  return page;
}

const well = (isWell, text) => h('span', { class: `verdict ${isWell ? 'holds' : 'broken'}` }, `${isWell ? '✓' : '✗'} ${text}`);

const parts = (health, summary) => h('section', { class: 'card', 'aria-label': 'Health' },
  h('p', { class: 'line' }, well(health.status === 'ok', health.status), h('span', { class: 'tag' }, `Orion ${health.version}`), h('span', { class: 'tag' }, `autonomy level ${health.autonomy_level}`),
    h('span', { class: 'tag' }, `up ${durationOf(health.uptime_seconds * 1_000)}`), summary && h('span', { class: 'tag' }, `generation ${summary.generation}`)),
  table('Parts', ['Part', 'State', 'In words'], Object.entries(health.components).map(([name, it]) => [name, well(it.status === 'ok', it.status), it.message])));

const bytes = (count) => (count >= 1_048_576 ? `${short(count / 1_048_576)} MiB` : `${short(count / 1_024)} KiB`);

function records(kept) {
  const troubles = Object.entries(kept.troubles);
  return [
    h('h2', null, 'Records'),
    facts([['Position', String(kept.position)], ['Let go of up to', kept.forgotten ? String(kept.forgotten) : undefined], ['Store', bytes(kept.database_bytes)], ['Files', bytes(kept.file_bytes)]]),
    troubles.map(([part, why]) => h('p', { class: 'refused' }, `${part} cannot be written: ${why}`)),
    table('Stages', ['Stage', 'Partition', 'Has read to', 'Unread'], kept.stages.map((it) =>
      [it.stage, it.partition || '–', String(it.position), String(Math.max(0, kept.position - it.position))])),
    kept.redis && [h('h2', null, 'Redis'), facts([['State', well(!kept.redis.trouble, kept.redis.trouble ?? 'answers')],
      ['Commits that wait', String(kept.redis.waiting_commits)], ['Not there yet', String(kept.redis.unmirrored)], ['Held here', kept.redis.held.join(', ') || 'nothing']])],
  ];
}

const hosts = (items) => [h('h2', null, items.length === 1 ? 'Host' : 'Hosts'), table('Hosts', ['Host', 'State', 'Roles', 'Partitions', 'Heard of'], items.map((it) => it.alone
  ? [`process ${it.pid ?? '–'}, alone`, well(it.state === 'runs', it.state), 'all', 'all', it.memory]
  : [it.node, well(it.live, it.live ? 'live' : 'silent'), it.roles.join(', '), String(it.partitions), `${durationOf(it.silent_millis)} ago`]))];

const shares = (items) => [h('h2', null, 'Partitions'), table('Partitions', ['Partition', 'Host', 'Unread', 'Busy', 'What'], items.map((it) =>
  [it.partition, it.node ?? 'nobody', String(it.unread ?? '–'), it.busy === null ? '–' : `${short(it.busy * 100)} %`, it.owners.join(', ')]))];
