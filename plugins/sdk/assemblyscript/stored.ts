// Values as bytes: one form for each value, and anything else is no value.

/** A value of a plugin's state. Its class has a constructor without parameters; `read` fills what that made. */
export abstract class Stored {
  /** Appends its bytes. */
  abstract write(out: Writer): void;

  /** Takes its bytes. What is missing reads as zero, and shows in `Reader.done`. */
  abstract read(from: Reader): void;
}

/** Bytes of most values: growing to these step by step would cost more than writing them. */
const USUAL_BYTES: i32 = 64;

/** Writes values, one behind the other. */
@final
export class Writer {
  private bytes: StaticArray<u8> = new StaticArray<u8>(USUAL_BYTES);
  private length: i32 = 0;

  flag(value: bool): void {
    store<u8>(this.room(1), u8(value));
  }

  u32(value: u32): void {
    store<u32>(this.room(4), value);
  }

  i64(value: i64): void {
    store<i64>(this.room(8), value);
  }

  u64(value: u64): void {
    store<u64>(this.room(8), value);
  }

  f64(value: f64): void {
    store<f64>(this.room(8), value);
  }

  text(value: string): void {
    const bytes = String.UTF8.byteLength(value);
    this.u32(bytes);
    String.UTF8.encodeUnsafe(changetype<usize>(value), value.length, this.room(bytes));
  }

  /** What was written since the last call. */
  finish(): StaticArray<u8> {
    const whole = new StaticArray<u8>(this.length);
    memory.copy(changetype<usize>(whole), changetype<usize>(this.bytes), this.length);
    this.length = 0;
    return whole;
  }

  private room(bytes: i32): usize {
    const start = this.length;
    const end = start + bytes;
    if (end > this.bytes.length) {
      const larger = new StaticArray<u8>(max(end, this.bytes.length * 2));
      memory.copy(changetype<usize>(larger), changetype<usize>(this.bytes), start);
      this.bytes = larger;
    }
    this.length = end;
    return changetype<usize>(this.bytes) + start;
  }
}

/** Reads what a `Writer` wrote. */
@final
export class Reader {
  private at: i32 = 0;
  private short: bool = false;

  constructor(private bytes: StaticArray<u8>) {}

  /** Whether everything was there, and nothing is left. */
  get done(): bool {
    return !this.short && this.at == this.bytes.length;
  }

  flag(): bool {
    const from = this.take(1);
    return from != 0 && load<u8>(from) != 0;
  }

  u32(): u32 {
    const from = this.take(4);
    return from != 0 ? load<u32>(from) : 0;
  }

  i64(): i64 {
    const from = this.take(8);
    return from != 0 ? load<i64>(from) : 0;
  }

  u64(): u64 {
    return u64(this.i64());
  }

  f64(): f64 {
    const from = this.take(8);
    return from != 0 ? load<f64>(from) : 0;
  }

  text(): string {
    const bytes = this.u32();
    const from = this.take(bytes);
    return from != 0 ? String.UTF8.decodeUnsafe(from, bytes) : "";
  }

  /** A count of things that take at least this many bytes each: never more than there are bytes for. */
  count(bytesEach: u32): u32 {
    const count = this.u32();
    if (u64(count) * bytesEach <= u64(this.bytes.length - this.at)) return count;
    this.short = true;
    return 0;
  }

  private take(bytes: u32): usize {
    if (this.short || bytes > u32(this.bytes.length - this.at)) {
      this.short = true;
      return 0;
    }
    const from = changetype<usize>(this.bytes) + this.at;
    this.at += bytes;
    return from;
  }
}
