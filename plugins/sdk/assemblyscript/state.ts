// What a plugin remembers. The host keeps it: after each call it asks what changed, and hands all of it back to the next
// instance. So these maps know which of their keys changed, and a quiet call costs nothing.

import { Outgoing, aligned, loadBytes, storeBytes, storeText, textBytes } from "./memory";
import { Reader, Stored, Writer } from "./stored";

/** A piece of saved state; no value means that the key is gone. */
@final
export class Entry {
  constructor(
    public key: StaticArray<u8>,
    public value: StaticArray<u8> | null,
  ) {}
}

/** Something that survives a restart. */
export abstract class Stateful {
  /** Takes back what earlier checkpoints handed out; a refusal in words, or null. */
  abstract restore(version: u32, entries: Array<Entry>): string | null;

  /** What changed since the last call, in an order that depends on the keys alone. */
  abstract checkpoint(): Array<Entry>;

  /** This series will not come again under its number. */
  seriesDropped(_series: u32): void {}
}

/** A value and what is known of it. */
@final
class Slot<V> {
  value: V | null = null;
  dirty: bool = false;
}

function refusedVersion(found: u32, own: u32): string {
  return `the saved state has version ${found}, and this plugin reads ${own}; reset it`;
}

const REFUSED_STATE = "the saved state is not what this plugin wrote; reset it";

function readValue<V extends Stored>(entry: Entry): V | null {
  const bytes = entry.value;
  if (bytes == null) return null;
  const reader = new Reader(bytes);
  const value = instantiate<V>();
  value.read(reader);
  return reader.done ? value : null;
}

/** A value for each series, saved. Series are numbered densely, so this is a plain row of values. */
@final
export class SeriesState<V extends Stored> extends Stateful {
  private slots: Array<Slot<V>> = [];
  private dirty: Array<u32> = [];
  private writer: Writer = new Writer();

  /** Empty, of the version that the manifest says. */
  constructor(private version: u32) {
    super();
  }

  /** A value to look at, or null. */
  @inline get(series: u32): V | null {
    return series < u32(this.slots.length) ? unchecked(this.slots[series]).value : null;
  }

  /** Says that a value was changed: it will be saved. */
  @inline changed(series: u32): void {
    const slot = this.slots[series];
    if (!slot.dirty) this.soil(series, slot);
  }

  /** Puts a value: it will be saved. */
  set(series: u32, value: V): void {
    this.place(series, value);
    this.changed(series);
  }

  /** Forgets a value. */
  delete(series: u32): void {
    if (this.get(series) == null) return;
    this.slots[series].value = null;
    this.changed(series);
  }

  private place(series: u32, value: V): void {
    while (u32(this.slots.length) <= series) this.slots.push(new Slot<V>());
    this.slots[series].value = value;
  }

  private soil(series: u32, slot: Slot<V>): void {
    slot.dirty = true;
    this.dirty.push(series);
  }

  restore(version: u32, entries: Array<Entry>): string | null {
    if (version != this.version) return refusedVersion(version, this.version);
    for (let i = 0; i < entries.length; i++) {
      const key = new Reader(entries[i].key);
      const series = key.u32();
      const value = readValue<V>(entries[i]);
      if (value == null || !key.done) return REFUSED_STATE;
      this.place(series, value);
    }
    return null;
  }

  checkpoint(): Array<Entry> {
    const dirty = this.dirty.sort((one, other) => (one < other ? -1 : 1));
    this.dirty = [];
    const entries = new Array<Entry>(dirty.length);
    for (let i = 0; i < dirty.length; i++) {
      const slot = this.slots[dirty[i]];
      slot.dirty = false;
      this.writer.u32(dirty[i]);
      const key = this.writer.finish();
      entries[i] = new Entry(key, written(slot.value, this.writer));
    }
    return entries;
  }

  seriesDropped(series: u32): void {
    this.delete(series);
  }
}

function written<V extends Stored>(value: V | null, writer: Writer): StaticArray<u8> | null {
  if (value == null) return null;
  value.write(writer);
  return writer.finish();
}

/** A map from texts to values, saved. */
@final
export class State<V extends Stored> extends Stateful {
  /** A slot without a value is there until the host was told that its key is gone. */
  private slots: Map<string, Slot<V>> = new Map();
  private dirty: Array<string> = [];
  private sorted: Array<string> | null = null;
  private writer: Writer = new Writer();

  /** Empty, of the version that the manifest says. */
  constructor(private version: u32) {
    super();
  }

  /** A value to look at, or null. */
  get(key: string): V | null {
    return this.slots.has(key) ? this.slots.get(key).value : null;
  }

  /** Says that a value was changed: it will be saved. */
  changed(key: string): void {
    const slot = this.slots.get(key);
    if (slot.dirty) return;
    slot.dirty = true;
    this.dirty.push(key);
  }

  /** Puts a value: it will be saved. */
  set(key: string, value: V): void {
    this.place(key, value);
    this.changed(key);
  }

  /** Forgets a value. */
  delete(key: string): void {
    if (this.get(key) == null) return;
    this.slots.get(key).value = null;
    this.sorted = null;
    this.changed(key);
  }

  /** All keys, in the order of their bytes: the order in which they came would be another one after a restart. */
  keys(): Array<string> {
    let sorted = this.sorted;
    if (sorted == null) {
      sorted = [];
      const keys = this.slots.keys();
      for (let i = 0; i < keys.length; i++) {
        if (this.slots.get(keys[i]).value != null) sorted.push(keys[i]);
      }
      this.sorted = sorted.sort(compareBytes);
    }
    return sorted;
  }

  private place(key: string, value: V): void {
    const slot = this.slots.has(key) ? this.slots.get(key) : new Slot<V>();
    if (slot.value == null) this.sorted = null;
    slot.value = value;
    this.slots.set(key, slot);
  }

  restore(version: u32, entries: Array<Entry>): string | null {
    if (version != this.version) return refusedVersion(version, this.version);
    for (let i = 0; i < entries.length; i++) {
      const key = new Reader(entries[i].key);
      const name = key.text();
      const value = readValue<V>(entries[i]);
      if (value == null || !key.done) return REFUSED_STATE;
      this.place(name, value);
    }
    return null;
  }

  checkpoint(): Array<Entry> {
    const dirty = this.dirty.sort(compareBytes);
    this.dirty = [];
    const entries = new Array<Entry>(dirty.length);
    for (let i = 0; i < dirty.length; i++) {
      const slot = this.slots.get(dirty[i]);
      slot.dirty = false;
      if (slot.value == null) this.slots.delete(dirty[i]);
      this.writer.text(dirty[i]);
      const key = this.writer.finish();
      entries[i] = new Entry(key, written(slot.value, this.writer));
    }
    return entries;
  }
}

/** Which of two texts comes first in the order of their UTF-8 bytes, which is that of their code points. */
export function compareBytes(one: string, other: string): i32 {
  const length = min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    const a = one.charCodeAt(i);
    const b = other.charCodeAt(i);
    if (a != b) return rank(a) < rank(b) ? -1 : 1;
  }
  return one.length - other.length;
}

/** Halves of surrogate pairs stand for code points behind all others. */
function rank(unit: i32): i32 {
  return (unit & 0xf800) == 0xd800 ? unit + 0x10000 : unit;
}

/** Bytes of one entry: its key, whether there is a value, the value. */
const ENTRY_BYTES: usize = 20;
const HAS_VALUE: usize = 8;
const VALUE: usize = 12;

/** Entries from where the host put them. */
export function loadEntries(list: usize, count: u32): Array<Entry> {
  const entries = new Array<Entry>(count);
  for (let i: u32 = 0; i < count; i++) {
    const at = list + ENTRY_BYTES * i;
    entries[i] = new Entry(loadBytes(at), load<u8>(at, HAS_VALUE) != 0 ? loadBytes(at + VALUE) : null);
  }
  return entries;
}

/** Puts entries into `out`, behind the address and length of their list, and returns where that is. */
export function storeEntries(out: Outgoing, entries: Array<Entry>): usize {
  let bytes = aligned(8) + aligned(ENTRY_BYTES * entries.length);
  for (let i = 0; i < entries.length; i++) bytes += entryBytes(entries[i]);
  out.begin(bytes);
  const result = out.take(8);
  const list = out.take(ENTRY_BYTES * entries.length);
  store<u32>(result, list);
  store<u32>(result, entries.length, 4);
  for (let i = 0; i < entries.length; i++) storeEntry(out, list + ENTRY_BYTES * i, entries[i]);
  return result;
}

function entryBytes(entry: Entry): usize {
  const value = entry.value;
  return aligned(entry.key.length) + (value != null ? aligned(value.length) : 0);
}

function storeEntry(out: Outgoing, at: usize, entry: Entry): void {
  storeBytes(out, at, entry.key);
  const value = entry.value;
  store<u8>(at, u8(value != null), HAS_VALUE);
  if (value != null) storeBytes(out, at + VALUE, value);
}

/** Gives saved state back to a plugin; a refusal in words, or null. */
export function restored(state: Stateful | null, version: u32, entries: Array<Entry>): string | null {
  if (state != null) return state.restore(version, entries);
  return entries.length == 0 ? null : "there is saved state, and this plugin keeps none";
}

/** What changed in the state of a plugin. */
export function changedEntries(state: Stateful | null): Array<Entry> {
  return state != null ? state.checkpoint() : [];
}

/** Puts an answer into `out`: nothing, or a refusal in words. Returns where it is. */
export function storeAnswer(out: Outgoing, refusal: string | null): usize {
  out.begin(16 + (refusal != null ? aligned(textBytes(refusal)) : 0));
  const answer = out.take(12);
  store<u8>(answer, u8(refusal != null));
  if (refusal != null) storeText(out, answer + 4, refusal);
  return answer;
}
