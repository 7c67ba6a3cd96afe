// What a correlator says.

import { Fields } from "./field";
import { Outgoing, aligned, storeText, textBytes, worked } from "./memory";
import { Severity } from "./severity";

/** What a change does to its incident. */
export enum ChangeKind {
  /** There is a new incident. */
  Opened,
  /** It grew or got worse. */
  Updated,
  /** It is over. */
  Resolved,
}

/** A step in the life of the incident that belongs to `key`. */
@final
export class Change {
  /** Bus positions of the events that this change adds to the incident. */
  positions: Array<u64> = [];
  /** Further facts. */
  fields: Fields = new Fields();

  constructor(
    /** What happened. */
    public kind: ChangeKind,
    /** The group the incident is about: a key of the batch, or one of the correlator's own. */
    public key: string,
    /** How bad it is now. */
    public severity: Severity,
    /** When, in milliseconds. */
    public timestamp: i64,
    /** Why, in a few words. */
    public reason: string,
  ) {}

  /** Says it. One that breaks a limit ends the call. */
  emit(): void {
    const positions = this.positions;
    const texts = aligned(textBytes(this.key)) + aligned(textBytes(this.reason));
    outgoing.begin(16 + texts + 8 * positions.length + this.fields.bytes());
    const key = outgoing.take(8);
    const reason = outgoing.take(8);
    storeText(outgoing, key, this.key);
    storeText(outgoing, reason, this.reason);
    const column = outgoing.take(8 * positions.length);
    for (let i = 0; i < positions.length; i++) store<u64>(column + 8 * i, positions[i]);
    emitChange(
      load<u32>(key), load<u32>(key, 4), this.kind, this.severity, this.timestamp, load<u32>(reason), load<u32>(reason, 4),
      column, positions.length, this.fields.store(outgoing), this.fields.length,
    );
    worked(1);
  }
}

const outgoing = new Outgoing();

/** The one thing that the host offers. */
@external("orion:plugin/incidents@1.0.0", "emit")
declare function emitChange(
  key: usize, keyBytes: u32, kind: i32, severity: i32, timestamp: i64, reason: usize, reasonBytes: u32,
  positions: usize, positionCount: i32, fields: usize, fieldCount: i32,
): void;
