// A list of which only what is seen is there: ten thousand rows cost what fifty do. It scrolls with the page.

import { h } from './dom.js';

/** Drawn beyond what is seen, so that a fast scroll meets rows. */
const MARGIN_PIXELS = 600;

/** When what is below that is about to be seen, more is asked for. */
const AHEAD_PIXELS = 1_500;

/** By these who looks has the page go elsewhere. */
const TOUCHES = ['wheel', 'touchstart', 'pointerdown', 'keydown'];

export class VirtualList {
  #items = [];
  #offsets = [0];
  #rows = new Map();
  #options;

  /** `options`: label, height(item), key(item), isRow(item), draw(item), more(); `top`, where it was scrolled to when it was left. */
  constructor(options) {
    this.#options = options;
    this.element = h('div', { class: 'virtual', role: 'list', 'aria-label': options.label });
    this.onScroll = () => {
      this.frame ??= requestAnimationFrame(() => this.#draw());
    };
    addEventListener('scroll', this.onScroll, { passive: true });
    addEventListener('resize', this.onScroll, { passive: true });
    this.stay = () => {
      this.#options.top = 0;
    };
    TOUCHES.forEach((name) => addEventListener(name, this.stay, { passive: true }));
    this.wide = matchMedia('(min-width: 760px)');
    this.onWide = () => this.set(this.#items);
    this.wide.addEventListener('change', this.onWide);
  }

  end() {
    removeEventListener('scroll', this.onScroll);
    removeEventListener('resize', this.onScroll);
    TOUCHES.forEach((name) => removeEventListener(name, this.stay));
    this.wide.removeEventListener('change', this.onWide);
    cancelAnimationFrame(this.frame);
  }

  get items() {
    return this.#items;
  }

  /** These in the place of what is there. A row whose item is the same object is left as it is. */
  set(items) {
    this.#items = items;
    this.#offsets = new Float64Array(items.length + 1);
    items.forEach((item, at) => (this.#offsets[at + 1] = this.#offsets[at] + this.#options.height(item)));
    this.element.style.height = `${this.#offsets[items.length]}px`;
    this.#return();
    this.#draw();
  }

  /** To where it was left, as soon as it is long enough; unless who looks has gone elsewhere meanwhile. */
  #return() {
    const { top } = this.#options;
    if (!top) return;
    scrollTo(0, top);
    if (scrollY >= top - 1) this.stay();
  }

  /** The row that is walked to from where the focus is: the next one, or the one before. */
  walk(step) {
    const rows = [...this.#rows.values()];
    const focused = rows.find((row) => row.element.contains(document.activeElement));
    let at = focused ? focused.at + step : this.#first(Math.max(0, -this.#top()));
    while (at >= 0 && at < this.#items.length && !this.#options.isRow(this.#items[at])) at += focused ? step : 1;
    if (at < 0 || at >= this.#items.length) return;
    this.#show(at);
    this.#rows.get(this.#options.key(this.#items[at]))?.element.querySelector('a')?.focus({ preventScroll: true });
  }

  #show(at) {
    const [top, bottom] = [this.#offsets[at] + this.#top(), this.#offsets[at + 1] + this.#top()];
    const [head, foot] = [120, innerHeight - 80];
    if (top < head) scrollBy(0, top - head);
    else if (bottom > foot) scrollBy(0, bottom - foot);
    this.#draw();
  }

  #top() {
    return this.element.getBoundingClientRect().top;
  }

  /** The row at this height. */
  #first(height) {
    let [low, high] = [0, this.#items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle + 1] <= height) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    if (!this.element.isConnected) return;
    const top = this.#top();
    const from = this.#first(Math.max(0, -top - MARGIN_PIXELS));
    const until = Math.min(this.#items.length, this.#first(innerHeight - top + MARGIN_PIXELS) + 1);
    const kept = new Map();
    let place = this.element.firstChild;
    for (let at = from; at < until; at++) {
      const row = this.#row(at);
      kept.set(row.key, row);
      this.#rows.delete(row.key);
      if (row.element === place) place = place.nextSibling;
      else this.element.insertBefore(row.element, place);
    }
    for (const row of this.#rows.values()) {
      // What has the focus stays, or the focus would be gone.
      const at = row.element.contains(document.activeElement) ? this.#items.indexOf(row.item) : -1;
      if (at < 0) row.element.remove();
      else kept.set(row.key, this.#placed(row, at));
    }
    this.#rows = kept;
    if (this.#offsets[this.#items.length] + top < innerHeight + AHEAD_PIXELS) this.#options.more?.();
  }

  #row(at) {
    const item = this.#items[at];
    const key = this.#options.key(item);
    const known = this.#rows.get(key);
    if (known?.item === item) return this.#placed(known, at);
    const element = known?.element ?? h('div', { role: 'listitem', class: 'slot' });
    const hadFocus = element.contains(document.activeElement);
    element.replaceChildren(this.#options.draw(item));
    if (hadFocus) element.querySelector('a')?.focus({ preventScroll: true });
    return this.#placed({ key, item, element }, at);
  }

  #placed(row, at) {
    row.at = at;
    row.element.style.transform = `translateY(${this.#offsets[at]}px)`;
    row.element.style.height = `${this.#offsets[at + 1] - this.#offsets[at]}px`;
    row.element.setAttribute('aria-posinset', at + 1);
    row.element.setAttribute('aria-setsize', this.#items.length);
    return row;
  }
}
