// What a rule says under `with:`, by name and type.

import { loadText } from "./memory";

/** Cases of a value in the contract, in its order. */
const TEXT: u8 = 0;
const NUMBER: u8 = 1;
const INTEGER: u8 = 2;
const FLAG: u8 = 3;
const TEXTS: u8 = 4;

/** Bytes of one parameter: its name, the case of its value, the value; and of one text in a list. */
const PARAMETER_BYTES: usize = 24;
const CASE: usize = 8;
const VALUE: usize = 16;
const TEXT_BYTES: usize = 8;

/** A named value. */
@final
class Parameter {
  kind: u8 = 0;
  text: string = "";
  number: f64 = 0;
  integer: i64 = 0;
  texts: Array<string> = [];
}

/** All that the rule said, with the manifest's defaults filled in. Types and bounds of the manifest were checked already. */
@final
export class Parameters {
  private named: Map<string, Parameter> = new Map();

  /** From where the host put them. */
  static load(list: usize, count: u32): Parameters {
    const parameters = new Parameters();
    for (let i: u32 = 0; i < count; i++) {
      const at = list + PARAMETER_BYTES * i;
      parameters.named.set(loadText(at), loadValue(at));
    }
    return parameters;
  }

  /** Whether anything was said. */
  has(name: string): bool {
    return this.named.has(name);
  }

  /** A number; `otherwise` when nothing was said. */
  number(name: string, otherwise: f64): f64 {
    const found = this.find(name, NUMBER);
    return found ? found.number : otherwise;
  }

  /** A whole number; `otherwise` when nothing was said. */
  integer(name: string, otherwise: i64): i64 {
    const found = this.find(name, INTEGER);
    return found ? found.integer : otherwise;
  }

  /** A duration in milliseconds; `otherwise` when nothing was said. */
  millis(name: string, otherwise: i64): i64 {
    return this.integer(name, otherwise);
  }

  /** True or false; `otherwise` when nothing was said. */
  flag(name: string, otherwise: bool): bool {
    const found = this.find(name, FLAG);
    return found ? found.integer != 0 : otherwise;
  }

  /** A text; `otherwise` when nothing was said. */
  text(name: string, otherwise: string): string {
    const found = this.find(name, TEXT);
    return found ? found.text : otherwise;
  }

  /** A list of texts, or a mapping as names and values in turns; empty when nothing was said. */
  texts(name: string): Array<string> {
    const found = this.find(name, TEXTS);
    return found ? found.texts : [];
  }

  /** A value of another type than the manifest says is as good as none: the host has checked it. */
  private find(name: string, kind: u8): Parameter | null {
    if (!this.named.has(name)) return null;
    const found = this.named.get(name);
    return found.kind == kind ? found : null;
  }
}

function loadValue(at: usize): Parameter {
  const parameter = new Parameter();
  parameter.kind = load<u8>(at, CASE);
  if (parameter.kind == TEXT) parameter.text = loadText(at + VALUE);
  else if (parameter.kind == NUMBER) parameter.number = load<f64>(at, VALUE);
  else if (parameter.kind == INTEGER) parameter.integer = load<i64>(at, VALUE);
  else if (parameter.kind == FLAG) parameter.integer = i64(load<u8>(at, VALUE));
  else {
    const texts = load<u32>(at, VALUE);
    const count = load<u32>(at, VALUE + 4);
    for (let i: u32 = 0; i < count; i++) parameter.texts.push(loadText(usize(texts) + TEXT_BYTES * i));
  }
  return parameter;
}
