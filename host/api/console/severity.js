// How bad something is: a shape and a word, and a colour for who sees it.

import { h, s } from './dom.js';

export const SEVERITIES = ['critical', 'error', 'warning', 'info'];

const SHAPES = {
  critical: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z',
  error: 'M8 1.2 15.4 14.5H.6z',
  warning: 'M8 .8 15.2 8 8 15.2.8 8z',
  info: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm0 2a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z',
};

/** The shape alone, for where the word stands beside it. */
export const shape = (severity, props) =>
  s('svg', { class: `shape ${known(severity)}`, viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false', ...props },
    s('path', { d: SHAPES[known(severity)], 'fill-rule': 'evenodd' }));

/** Shape and word. */
export const severity = (word, isOver) =>
  h('span', { class: `severity ${known(word)}${isOver ? ' over' : ''}` }, shape(word), h('span', null, word));

/** The worst of these counts. */
export const worst = (counts) => SEVERITIES.find((one) => counts?.[one] > 0);

const known = (word) => (SEVERITIES.includes(word) ? word : 'info');
