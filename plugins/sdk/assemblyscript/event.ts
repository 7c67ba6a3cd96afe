// Events as a correlator sees them: one by one, texts looked up when asked for.

import { Label } from "./frame";
import { textAt } from "./memory";
import { Severity } from "./severity";

/** Whether a thing began, ended, or just happened. */
export enum Status {
  /** A thing of one moment. */
  Occurred,
  /** It holds from now on. */
  Firing,
  /** It held until now. */
  Resolved,
}

/** Where the columns of a batch begin, in the order of the contract: address and length of each. */
const POSITIONS: usize = 0;
const TIMESTAMPS: usize = 8;
const SEVERITIES: usize = 16;
const STATUSES: usize = 24;
const FINGERPRINTS: usize = 32;
const VALUES: usize = 40;
const LABEL_COUNTS: usize = 48;
const TEXT: usize = 56;
const ENDS: usize = 64;

/** Pieces of text of an event before its labels: key and type. */
const FIXED_PIECES: u32 = 2;

/** Events in bus order; none when time has passed and nothing else. `while (events.next())` goes from one to the next. */
@final
export class Events {
  private index: u32 = u32.MAX_VALUE;
  private piece: u32 = 0;
  private labelCount: u32 = 0;

  /** `columns` is where the batch lies. @internal */
  constructor(private columns: usize) {}

  /** Number of events. */
  get length(): u32 {
    return load<u32>(this.columns, POSITIONS + 4);
  }

  /** Goes to the next event; false behind the last. */
  next(): bool {
    if (this.index != u32.MAX_VALUE) this.piece += FIXED_PIECES + this.labelCount * 2;
    this.index++;
    if (this.index >= this.length) return false;
    this.labelCount = load<u32>(load<u32>(this.columns, LABEL_COUNTS) + 4 * this.index);
    return true;
  }

  /** Position on the bus; grows from event to event. */
  get position(): u64 {
    return load<u64>(load<u32>(this.columns, POSITIONS) + 8 * this.index);
  }

  /** When, in milliseconds. */
  get timestamp(): i64 {
    return load<i64>(load<u32>(this.columns, TIMESTAMPS) + 8 * this.index);
  }

  /** How bad. */
  get severity(): Severity {
    return load<u8>(load<u32>(this.columns, SEVERITIES) + this.index);
  }

  /** Whether it began, ended, or just happened. */
  get status(): Status {
    return load<u8>(load<u32>(this.columns, STATUSES) + this.index);
  }

  /** The same for the firing and the resolved event of one alert. */
  get fingerprint(): u64 {
    return load<u64>(load<u32>(this.columns, FINGERPRINTS) + 8 * this.index);
  }

  /** The value it carries; NaN when it carries none. */
  get value(): f64 {
    return load<f64>(load<u32>(this.columns, VALUES) + 8 * this.index);
  }

  /** Its group. */
  get key(): string {
    return this.text(0);
  }

  /** What kind of thing: `service_down`. */
  get eventType(): string {
    return this.text(1);
  }

  /** The value of one label, or null. */
  label(name: string): string | null {
    for (let i: u32 = 0; i < this.labelCount; i++) {
      if (this.text(FIXED_PIECES + i * 2) == name) return this.text(FIXED_PIECES + i * 2 + 1);
    }
    return null;
  }

  /** Its labels, sorted by name. */
  labels(): Array<Label> {
    const labels: Array<Label> = [];
    for (let i: u32 = 0; i < this.labelCount; i++) {
      labels.push(new Label(this.text(FIXED_PIECES + i * 2), this.text(FIXED_PIECES + i * 2 + 1)));
    }
    return labels;
  }

  private text(offset: u32): string {
    const index = this.piece + offset;
    const ends = load<u32>(this.columns, ENDS);
    const start = index == 0 ? 0 : load<u32>(ends + 4 * (index - 1));
    return textAt(load<u32>(this.columns, TEXT) + start, load<u32>(ends + 4 * index) - start);
  }
}
