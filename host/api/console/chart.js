// Drawings: bars over time, lanes over time, points over time. Own code: what is drawn is little, and follows the colours of the
// page by itself. A table stands beside each.

import { h, s } from './dom.js';
import { clockOf, durationOf } from './time.js';

/** Bars of counts by severity: `[{from, to, counts}]`. */
export function bars(label, buckets, order) {
  const [width, height, gap] = [600, 56, 1];
  const most = Math.max(1, ...buckets.map(({ counts }) => order.reduce((sum, one) => sum + (counts[one] ?? 0), 0)));
  const step = width / buckets.length;
  const parts = buckets.flatMap(({ from, to, counts }, at) => {
    let top = height;
    return order.toReversed().filter((one) => counts[one]).map((one) => {
      const tall = Math.max(2, (counts[one] / most) * (height - 2));
      top -= tall;
      return s('rect', { x: at * step, y: top, width: Math.max(1, step - gap), height: tall, class: `bar ${one}` },
        s('title', null, `${clockOf(from)} to ${clockOf(to)}: ${counts[one]} ${one}`));
    });
  });
  return s('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    s('line', { x1: 0, x2: width, y1: height - .5, y2: height - .5, class: 'axis' }), parts);
}

/** Where instants lie on a width. */
function scale(from, to, left, right) {
  const span = Math.max(1, to - from);
  return (instant) => left + ((Math.min(Math.max(instant, from), to) - from) / span) * (right - left);
}

/** A few round instants between two. */
function ticks(from, to, most) {
  const steps = [1e3, 5e3, 15e3, 6e4, 3e5, 9e5, 36e5, 108e5, 432e5, 864e5, 6048e5];
  const step = steps.find((one) => (to - from) / one <= most) ?? (to - from) / most;
  const list = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) list.push(at);
  return list;
}

function axis(from, to, x, top, bottom, most) {
  return ticks(from, to, most).map((at) => s('g', { class: 'tick' },
    s('line', { x1: x(at), x2: x(at), y1: top, y2: bottom }),
    s('text', { x: x(at), y: bottom + 14, 'text-anchor': 'middle' }, clockOf(at).split(' ').pop())));
}

/** Lanes with bars, `[{name, bars: [{from, to, since, open, title, severity}]}]`, and marks over all of them, `[{at, title, severity}]`. */
export function lanes(label, width, { from, to, rows, marks }) {
  const [row, left, right, top] = [30, 8, width - 8, 30];
  const bottom = top + rows.length * (row + 18);
  const x = scale(from, to, left + 4, right - 4);
  const drawn = rows.map((lane, at) => {
    const y = top + at * (row + 18);
    return s('g', null,
      s('line', { x1: left, x2: right, y1: y + 34, y2: y + 34, class: 'axis' }),
      lane.bars.map((bar) => s('g', { class: `lane ${bar.severity}` },
        bar.since < bar.from && s('rect', { x: x(bar.since), y: y + 23, width: x(bar.from) - x(bar.since), height: 6, class: 'pending' }),
        s('rect', { x: x(bar.from), y: y + 19, width: Math.max(3, x(bar.to) - x(bar.from)), height: 14, rx: 2, class: bar.open ? 'open' : '' }),
        s('title', null, `${bar.title}, ${durationOf(bar.to - bar.from)}`))));
  });
  const flags = marks.map((mark) => s('g', { class: `mark ${mark.severity}` },
    s('line', { x1: x(mark.at), x2: x(mark.at), y1: 14, y2: bottom }),
    s('path', { d: `M${x(mark.at) - 5} 4h10l-5 9z` }),
    s('title', null, mark.title)));
  return s('svg', { class: 'lanes', width, height: bottom + 22, viewBox: `0 0 ${width} ${bottom + 22}`, role: 'img', 'aria-label': label },
    axis(from, to, x, top - 6, bottom, Math.max(2, width / 130)), drawn, flags,
    rows.map((lane, at) => s('text', { x: left, y: top + at * (row + 18) + 12, class: 'lane-name' }, lane.name)));
}

/** Points with a value each: `[{at, value, title, severity}]`. */
export function points(label, width, list) {
  const [height, left, right] = [150, 64, width - 14];
  const values = list.map((point) => point.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, to] = [Math.min(...list.map((it) => it.at)), Math.max(...list.map((it) => it.at))];
  const x = scale(from, to === from ? from + 1 : to, left + 8, right);
  const y = (value) => (high === low ? height / 2 : height - 12 - ((value - low) / (high - low)) * (height - 30));
  return s('svg', { class: 'points', width, height: height + 22, viewBox: `0 0 ${width} ${height + 22}`, role: 'img', 'aria-label': label },
    axis(from, to, x, 6, height, Math.max(2, width / 130)),
    [...new Set([low, high])].map((value) => s('g', { class: 'tick' },
      s('line', { x1: left, x2: right, y1: y(value), y2: y(value) }),
      s('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value)))),
    list.map((point) => s('circle', { cx: x(point.at), cy: y(point.value), r: 4, class: `point ${point.severity}` }, s('title', null, point.title))));
}

/** A series over time, `[[at, value]]`, with the bounds it is compared with, `[{operator, value}]`, and what fired, `[{at, value, title, severity, isOver}]`.
 * The line breaks where a sample is missing. */
export function seriesOver(label, width, { from, to, step, samples, bounds, marks }) {
  const [height, left, right] = [190, 64, width - 14];
  const finite = (values) => values.filter(Number.isFinite);
  const seen = finite([...samples.map(([, value]) => value), ...marks.map((mark) => mark.value)]);
  const limits = finite(bounds.map((bound) => bound.value));
  const [low, high] = [Math.min(...seen, ...limits), Math.max(...seen, ...limits)];
  const x = scale(from, to, left + 8, right);
  const y = (value) => (high === low ? height / 2 : height - 14 - ((value - low) / (high - low)) * (height - 34));
  let before;
  const path = samples.filter(([, value]) => Number.isFinite(value)).map(([at, value]) => {
    const isNext = before !== undefined && at - before <= step * 1.5;
    before = at;
    return `${isNext ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  const alone = samples.filter(([at, value], n) => Number.isFinite(value) && !(at - samples[n - 1]?.[0] <= step * 1.5) && !(samples[n + 1]?.[0] - at <= step * 1.5));
  return s('svg', { class: 'points', width, height: height + 22, viewBox: `0 0 ${width} ${height + 22}`, role: 'img', 'aria-label': label },
    axis(from, to, x, 6, height, Math.max(2, width / 130)),
    [...new Set(finite([low, high]))].filter((value) => !limits.includes(value)).map((value) => s('g', { class: 'tick' },
      s('line', { x1: left, x2: right, y1: y(value), y2: y(value) }),
      s('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value)))),
    bounds.filter((bound) => Number.isFinite(bound.value)).map((bound) => s('g', { class: 'bound' },
      s('line', { x1: left, x2: right, y1: y(bound.value), y2: y(bound.value) }),
      s('text', { x: left - 6, y: y(bound.value) + 4, 'text-anchor': 'end' }, `${bound.operator} ${short(bound.value)}`))),
    s('path', { class: 'series-line', d: path.join('') }),
    alone.map(([at, value]) => s('circle', { cx: x(at), cy: y(value), r: 2, class: 'series-dot' })),
    marks.filter((mark) => Number.isFinite(mark.value)).map((mark) => s('circle', { cx: x(mark.at), cy: y(mark.value), r: 5, class: `point ${mark.severity}${mark.isOver ? ' hollow' : ''}` },
      s('title', null, mark.title))));
}

/** A series in a few points, for a row; what it says is in its title and in the words beside it. */
export function spark({ values, peak, bound }, title) {
  const [width, height] = [84, 22];
  const numbers = [...values.filter((value) => value !== null), ...(bound && Number.isFinite(bound.value) ? [bound.value] : [])];
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const x = (at) => 1 + (at / (values.length - 1)) * (width - 2);
  const y = (value) => (high === low ? height / 2 : height - 2 - ((value - low) / (high - low)) * (height - 4));
  const path = values.map((value, at) => (value === null ? '' : `${at > 0 && values[at - 1] !== null ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`));
  return s('svg', { class: 'spark', width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' }, s('title', null, title),
    bound && Number.isFinite(bound.value) && s('line', { class: 'spark-bound', x1: 0, x2: width, y1: y(bound.value), y2: y(bound.value) }),
    s('path', { class: 'series-line', d: path.join('') }),
    peak !== null && s('circle', { class: 'series-dot', r: 2, cx: x(values.indexOf(peak)), cy: y(peak) }));
}

/** A number in few digits. */
export const short = (value) => (Number.isFinite(value) ? new Intl.NumberFormat('en', { maximumSignificantDigits: 4, notation: Math.abs(value) >= 1e6 ? 'compact' : 'standard' }).format(value) : String(value));

/** A drawing, made again when its width changes. */
export function fitted(draw) {
  const frame = h('div', { class: 'fitted' });
  let width = 0;
  new ResizeObserver(([entry]) => {
    const wide = Math.round(entry.contentRect.width);
    if (wide === width || wide === 0) return;
    width = wide;
    frame.replaceChildren(draw(width));
  }).observe(frame);
  return frame;
}
