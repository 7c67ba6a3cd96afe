// A correlator as its host sees it: the exports of the contract. `names.mjs` gives them the contract's names.

import { running, start } from "./correlator";
import { Events } from "./event";
import { Outgoing, endCall, worked } from "./memory";
import { Parameters } from "./parameters";
import { changedEntries, loadEntries, restored, storeAnswer, storeEntries } from "./state";

export { cabi_realloc } from "./memory";

const outgoing = new Outgoing();
export function correlator_configure(list: usize, count: u32): usize {
  const answer = storeAnswer(outgoing, start().configure(Parameters.load(list, count)));
  endCall();
  return answer;
}

export function correlator_restore(version: u32, list: usize, count: u32): usize {
  const answer = storeAnswer(outgoing, restored(running().state(), version, loadEntries(list, count)));
  worked(count);
  endCall();
  return answer;
}

/** The contract's arguments are more than a call takes one by one, so the host leaves them in memory. */
export function correlator_correlate(given: usize): void {
  const events = new Events(given + 8);
  worked(events.length);
  running().correlate(load<i64>(given), events);
  endCall();
}

export function correlator_checkpoint(): usize {
  const entries = changedEntries(running().state());
  const result = storeEntries(outgoing, entries);
  worked(entries.length);
  endCall();
  return result;
}
