// A detector as its host sees it: the exports of the contract. `names.mjs` gives them the contract's names.

import { running, start } from "./detector";
import { Frame, SeriesBook } from "./frame";
import { Outgoing, copyOf, endCall, worked } from "./memory";
import { Parameters } from "./parameters";
import { changedEntries, loadEntries, restored, storeAnswer, storeEntries } from "./state";

export { cabi_realloc } from "./memory";

const book = new SeriesBook();
const outgoing = new Outgoing();
export function detector_configure(list: usize, count: u32): usize {
  const answer = storeAnswer(outgoing, start().configure(Parameters.load(list, count)));
  endCall();
  return answer;
}

export function detector_define_series(
  ids: usize, count: u32, labelCounts: usize, _counts: u32, text: usize, textLength: u32, ends: usize, endCount: u32,
): void {
  book.define(ids, count, labelCounts, copyOf(text, textLength), copyOf(ends, endCount * 4));
  worked(count);
  endCall();
}

export function detector_drop_series(ids: usize, count: u32): void {
  const state = running().state();
  for (let i: u32 = 0; i < count; i++) {
    const id = load<u32>(ids + 4 * i);
    book.drop(id);
    if (state != null) state.seriesDropped(id);
  }
  endCall();
}

export function detector_restore(version: u32, list: usize, count: u32): usize {
  const answer = storeAnswer(outgoing, restored(running().state(), version, loadEntries(list, count)));
  worked(count);
  endCall();
  return answer;
}

export function detector_observe(
  now: i64, ids: usize, count: u32, timestamps: usize, _timestamps: u32, values: usize, _values: u32,
): void {
  running().observe(new Frame(now, count, ids, timestamps, values, book));
  worked(count);
  endCall();
}

export function detector_checkpoint(): usize {
  const entries = changedEntries(running().state());
  const result = storeEntries(outgoing, entries);
  worked(entries.length);
  endCall();
  return result;
}
