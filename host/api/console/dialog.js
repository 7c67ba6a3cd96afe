// A window over the page. When it closes, the browser gives the focus back to where it was.

import { h } from './dom.js';

export function openDialog(label, props, ...children) {
  document.querySelector('dialog[open]')?.close();
  const dialog = h('dialog', { 'aria-label': label, ...props }, ...children);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
