// How a rule stands, in one word with a shape.

import { h } from './dom.js';

/** In the order of how much each asks for a look. */
export const STANDINGS = ['failing', 'partial', 'firing', 'pending', 'quiet', 'elsewhere'];

const SIGNS = { failing: '✗', partial: '◐', firing: '▲', pending: '△', quiet: '·', elsewhere: '↗' };

export const MEANINGS = {
  failing: 'the last evaluation ended in an error', partial: 'the data were not whole', firing: 'an alert fires',
  pending: 'an alert holds, not yet for long enough', quiet: 'evaluated, and nothing is wrong', elsewhere: 'not evaluated by this host so far',
};

/** The word for a rule. */
export function standingOf(rule) {
  if (rule.health?.outcome === 'error') return 'failing';
  if (rule.health?.outcome === 'partial') return 'partial';
  if (rule.firing > 0) return 'firing';
  if (rule.pending > 0) return 'pending';
  return rule.health ? 'quiet' : 'elsewhere';
}

export const standing = (word, number) =>
  h('span', { class: `standing ${word}`, title: MEANINGS[word] }, h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[word]),
    h('span', null, word), number ? h('span', { class: 'number' }, ` ${number}`) : '');
