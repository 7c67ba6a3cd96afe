// The keyboard. Keys of one letter can be turned off: who speaks to the computer, or slips, does not mean them.

const KEY = 'orion-letters';

export const letters = {
  areOn: () => localStorage.getItem(KEY) !== 'off',
  turn: (on) => localStorage.setItem(KEY, on ? 'on' : 'off'),
};

const isTyping = (element) => element?.matches('input, select, textarea, [contenteditable]');

/** `act`: help, find, walk(step), search, back. */
export function listenToKeys(act) {
  addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      act.find();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape') {
      act.back();
      return;
    }
    if (isTyping(event.target) || !letters.areOn()) return;
    const acts = { '?': act.help, '/': act.search, j: () => act.walk(1), k: () => act.walk(-1) };
    const wanted = acts[event.key];
    if (!wanted) return;
    event.preventDefault();
    wanted();
  });
}
