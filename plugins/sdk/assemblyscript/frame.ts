// Frames as a detector sees them: samples by their index, each with a series whose labels are looked up when asked for.

import { Finding } from "./finding";
import { textAt } from "./memory";

/** A name and a value. */
@final
export class Label {
  constructor(
    public name: string,
    public value: string,
  ) {}
}

/** The answer to the rule's query at one instant: samples 0 to `length`, in the order of the answer. */
@final
export class Frame {
  /** @internal */
  constructor(
    /** The instant that was asked for, in milliseconds. */
    readonly now: i64,
    /** Number of samples. */
    readonly length: i32,
    private ids: usize,
    private timestamps: usize,
    private values: usize,
    private book: SeriesBook,
  ) {}

  /** The number of a sample's series. */
  @inline id(index: i32): u32 {
    return load<u32>(this.ids + (usize(index) << 2));
  }

  /** When a sample was taken, in milliseconds. */
  @inline timestamp(index: i32): i64 {
    return load<i64>(this.timestamps + (usize(index) << 3));
  }

  /** What it is. */
  @inline value(index: i32): f64 {
    return load<f64>(this.values + (usize(index) << 3));
  }

  /** A sample's series. */
  series(index: i32): Series {
    return new Series(this.id(index), this.book);
  }

  /** A finding about a sample: its series, time and value. */
  finding(index: i32): Finding {
    const finding = new Finding(this.timestamp(index), this.value(index));
    finding.hasSeries = true;
    finding.series = this.id(index);
    return finding;
  }
}

/** A series and its labels. */
@final
export class Series {
  /** @internal */
  constructor(
    /** Its number: the same from frame to frame, as long as the host does not drop it. */
    readonly id: u32,
    private book: SeriesBook,
  ) {}

  /** The value of one label, or null. */
  label(name: string): string | null {
    const labels = this.labels();
    for (let i = 0; i < labels.length; i++) {
      if (labels[i].name == name) return labels[i].value;
    }
    return null;
  }

  /** Its labels, sorted by name. */
  labels(): Array<Label> {
    return this.book.labels(this.id);
  }
}

/** What the host told in one call: kept in one piece, so that telling many series costs little. */
@final
class Told {
  constructor(
    private text: StaticArray<u8>,
    private ends: StaticArray<u8>,
  ) {}

  piece(index: i32): string {
    const start = index == 0 ? 0 : this.end(index - 1);
    return textAt(changetype<usize>(this.text) + start, this.end(index) - start);
  }

  private end(index: i32): u32 {
    return load<u32>(changetype<usize>(this.ends) + (usize(index) << 2));
  }
}

/** Where the labels of one series are: in which call they were told, from which piece on, how many. */
@final
class Row {
  constructor(
    public told: Told,
    public first: i32,
    public count: i32,
  ) {}
}

/** The labels of all series that were defined. @internal */
@final
export class SeriesBook {
  private rows: Array<Row | null> = [];

  /** Takes what the host told of `count` series; `ends` are the bytes of its column. */
  define(ids: usize, count: u32, labelCounts: usize, text: StaticArray<u8>, ends: StaticArray<u8>): void {
    const told = new Told(text, ends);
    let first = 0;
    for (let i: u32 = 0; i < count; i++) {
      const labels = load<u32>(labelCounts + 4 * i);
      this.place(load<u32>(ids + 4 * i), new Row(told, first, labels));
      first += labels * 2;
    }
  }

  private place(id: u32, row: Row): void {
    while (u32(this.rows.length) <= id) this.rows.push(null);
    this.rows[id] = row;
  }

  drop(id: u32): void {
    if (id < u32(this.rows.length)) this.rows[id] = null;
  }

  labels(id: u32): Array<Label> {
    const labels: Array<Label> = [];
    const row = id < u32(this.rows.length) ? this.rows[id] : null;
    if (row == null) return labels;
    for (let i = 0; i < row.count; i++) {
      const name = row.first + i * 2;
      labels.push(new Label(row.told.piece(name), row.told.piece(name + 1)));
    }
    return labels;
  }
}
