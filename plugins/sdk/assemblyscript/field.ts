// Further facts of a finding or change, and how they lie in memory for the host.

import { Outgoing, aligned, storeText, textBytes } from "./memory";

/** Cases of a value in the contract, in its order. */
const TEXT: u8 = 0;
const NUMBER: u8 = 1;
const INTEGER: u8 = 2;
const FLAG: u8 = 3;

/** Bytes of one field: its name, the case of its value, the value. */
const FIELD_BYTES: usize = 24;
const CASE: usize = 8;
const VALUE: usize = 16;

/** A named fact. */
@final
class Field {
  constructor(
    public name: string,
    public kind: u8,
    public text: string,
    public number: f64,
    public integer: i64,
  ) {}
}

/** Named facts, in the order in which they were added. */
@final
export class Fields {
  private list: Array<Field> = [];

  get length(): i32 {
    return this.list.length;
  }

  addText(name: string, value: string): void {
    this.list.push(new Field(name, TEXT, value, 0, 0));
  }

  addNumber(name: string, value: f64): void {
    this.list.push(new Field(name, NUMBER, "", value, 0));
  }

  addInteger(name: string, value: i64): void {
    this.list.push(new Field(name, INTEGER, "", 0, value));
  }

  addFlag(name: string, value: bool): void {
    this.list.push(new Field(name, FLAG, "", 0, i64(value)));
  }

  /** Bytes that `store` takes. */
  bytes(): usize {
    let sum: usize = 0;
    for (let i = 0; i < this.list.length; i++) {
      const field = unchecked(this.list[i]);
      sum += FIELD_BYTES + aligned(textBytes(field.name)) + aligned(textBytes(field.text));
    }
    return sum;
  }

  /** Puts them into `out` as the contract has them, and returns where. */
  store(out: Outgoing): usize {
    const list = out.take(FIELD_BYTES * this.list.length);
    for (let i = 0; i < this.list.length; i++) {
      const field = unchecked(this.list[i]);
      const at = list + FIELD_BYTES * i;
      storeText(out, at, field.name);
      store<u8>(at, field.kind, CASE);
      if (field.kind == TEXT) storeText(out, at + VALUE, field.text);
      else if (field.kind == NUMBER) store<f64>(at, field.number, VALUE);
      else if (field.kind == INTEGER) store<i64>(at, field.integer, VALUE);
      else store<u8>(at, u8(field.integer), VALUE);
    }
    return list;
  }
}
