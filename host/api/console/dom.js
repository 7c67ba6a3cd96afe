// Elements. What comes from data only ever becomes text or the value of an attribute that is none of a style or a script.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** An element of the page. */
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/** An element of a drawing. */
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** Puts these in the place of what is there. */
export const put = (element, ...children) => {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
};

/** A link to a page of the console, with these parameters. */
export const link = (params, props, ...children) => h('a', { href: address(params), ...props }, ...children);

/** The address of a page. Relative, so that it holds wherever a proxy puts the console. */
export function address(params) {
  const kept = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return `?${new URLSearchParams(kept)}`;
}

/** Runs at most once in so many milliseconds, and always after the last call. */
export function calm(run, millis) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, millis);
  };
}

/** A table: its caption is read out, its head names the columns. */
export function table(caption, columns, rows, props) {
  const head = h('thead', null, h('tr', null, columns.map((name) => h('th', { scope: 'col' }, name))));
  const cells = (row) => h('tr', null, row.map((cell, at) => h('td', { 'data-column': columns[at] }, cell)));
  const frame = { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption, ...props };
  return h('div', frame, h('table', null, h('caption', { class: 'unseen' }, caption), head, h('tbody', null, rows.map(cells))));
}

/** Terms and what they stand for. */
export const facts = (pairs) =>
  h('dl', { class: 'facts' }, pairs.filter((pair) => pair && pair[1] !== undefined && pair[1] !== null)
    .map(([term, value]) => h('div', null, h('dt', null, term), h('dd', null, value))));

/** Labels of a series or a group. */
export const labels = (of, without = []) =>
  h('span', { class: 'labels' }, Object.entries(of ?? {}).filter(([name]) => !without.includes(name))
    .map(([name, value]) => h('span', { class: 'label', title: `${name}=${value}` }, h('i', null, `${name}=`), value)));

/** A text with a button that copies it. */
export function copyable(text) {
  const button = h('button', { type: 'button', class: 'quiet', onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Select and copy by hand';
    }
  } }, 'Copy');
  return h('div', { class: 'copyable' }, h('pre', { tabindex: '0' }, text), button);
}
