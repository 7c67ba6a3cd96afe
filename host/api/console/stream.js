// Records as they come. By fetch and not by EventSource, which can send no token. Whoever lost the connection goes on behind the
// record that was heard last.

import { ask } from './api.js';

/** Without a byte for so long the connection is taken for dead: a comment comes every 15 s. */
const SILENCE_MILLIS = 40_000;

/** Between two tries, first and at most. */
const [FIRST_WAIT_MILLIS, MAX_WAIT_MILLIS] = [1_000, 15_000];

/** A page that nobody looks at for so long stops listening: a place to listen is for who looks. */
const HIDDEN_MILLIS = 300_000;

/** How long records are gathered, so that a flood is drawn a few times a second. */
const GATHER_MILLIS = 120;

export class Stream {
  #last;
  #tell;
  #state;
  #gathered = [];
  #timer;
  #abort;
  #wait = FIRST_WAIT_MILLIS;

  /** `tell(records)`; `state(word, isAgain)` with `live`, `lost` or `asleep`. */
  constructor(position, tell, state) {
    this.#last = position;
    this.#tell = tell;
    this.#state = state;
    document.addEventListener('visibilitychange', () => this.#see());
    this.#run();
  }

  async #run() {
    let isAgain = false;
    for (;;) {
      if (this.asleep) await new Promise((wake) => (this.wake = wake));
      try {
        await this.#listen(isAgain);
      } catch (error) {
        if (error.status === 401) return;
      }
      this.#state(this.asleep ? 'asleep' : 'lost');
      isAgain = true;
      if (!this.asleep) await new Promise((on) => setTimeout(on, this.#wait));
      this.#wait = Math.min(this.#wait * 2, MAX_WAIT_MILLIS);
    }
  }

  async #listen(isAgain) {
    this.#abort = new AbortController();
    const headers = { 'Last-Event-ID': String(this.#last) };
    let watchdog = setTimeout(() => this.#abort.abort(), SILENCE_MILLIS);
    try {
      const answer = await ask('stream', {}, { headers, signal: this.#abort.signal });
      this.#state('live', isAgain);
      this.#wait = FIRST_WAIT_MILLIS;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => this.#abort.abort(), SILENCE_MILLIS);
        const parts = (rest + value).split('\n\n');
        rest = parts.pop();
        parts.forEach((part) => this.#hear(part));
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  #hear(text) {
    const heard = {};
    for (const line of text.split('\n')) {
      const at = line.indexOf(': ');
      if (at > 0) heard[line.slice(0, at)] = line.slice(at + 2);
    }
    if (!heard.data) return;
    this.#last = Number(heard.id);
    this.#gathered.push({ seq: this.#last, kind: heard.event, record: JSON.parse(heard.data) });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell(this.#gathered.splice(0));
    }, GATHER_MILLIS);
  }

  #see() {
    clearTimeout(this.sleepTimer);
    if (document.hidden) {
      this.sleepTimer = setTimeout(() => {
        this.asleep = true;
        this.#abort?.abort();
      }, HIDDEN_MILLIS);
    } else if (this.asleep) {
      this.asleep = false;
      this.wake?.();
    }
  }
}
