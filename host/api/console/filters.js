// Filters of a page. They are in its address, so that a link shows what its sender saw.

import { calm, h } from './dom.js';

const CALM_MILLIS = 120;

let ids = 0;

/** The search of a page. */
export function search(label, value, tell) {
  const id = `filter-${++ids}`;
  const field = h('input', { type: 'search', id, placeholder: label, autocomplete: 'off', spellcheck: 'false', maxlength: '200' });
  field.value = value ?? '';
  field.addEventListener('input', calm(() => tell(field.value.trim()), CALM_MILLIS));
  return h('div', { class: 'field search' }, h('label', { for: id, class: 'unseen' }, label), field, h('kbd', { 'aria-hidden': 'true' }, '/'));
}

/** One of several: `[[value, word], …]`. */
export function choice(label, value, options, tell) {
  const id = `filter-${++ids}`;
  const field = h('select', { id, onchange: () => tell(field.value) },
    options.map(([one, word]) => h('option', { value: one }, word)));
  field.value = value ?? '';
  if (field.selectedIndex < 0) {
    field.append(h('option', { value }, value));
    field.value = value;
  }
  return h('div', { class: 'field' }, h('label', { for: id }, label), field);
}

/** A text of its own. */
export function text(label, value, tell) {
  const id = `filter-${++ids}`;
  const field = h('input', { type: 'text', id, autocomplete: 'off', spellcheck: 'false', maxlength: '300' });
  field.value = value ?? '';
  field.addEventListener('input', calm(() => tell(field.value.trim()), CALM_MILLIS * 2));
  return h('div', { class: 'field' }, h('label', { for: id }, label), field);
}

/** Filters beside each other. */
export const filters = (...fields) => h('div', { class: 'filters', role: 'search' }, fields);

/** Changes one filter of an address. */
export const changed = (params, name, value) => {
  const next = { ...params, [name]: value };
  if (!value) delete next[name];
  return next;
};
