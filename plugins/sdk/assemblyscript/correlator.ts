// What a correlator is made of. The entry file of a plugin also says `export * from "…/correlator-plugin"`, which makes it
// one for the host.

import { Events } from "./event";
import { Parameters } from "./parameters";
import { Stateful } from "./state";

export { Change, ChangeKind } from "./change";
export { Events, Status } from "./event";
export { Fields } from "./field";
export { Label } from "./frame";
export { Parameters } from "./parameters";
export { Severity, worse } from "./severity";
export { Entry, State, Stateful, compareBytes } from "./state";
export { Reader, Stored, Writer } from "./stored";

/** Reads events, emits incident changes. */
export abstract class Correlator {
  /** Takes the correlation's `with:`; returns null, or a refusal in words. */
  configure(_parameters: Parameters): string | null {
    return null;
  }

  /** Looks at events in bus order, or at none: then time has passed until `now`, in milliseconds. */
  abstract correlate(now: i64, events: Events): void;

  /** What survives a restart. */
  state(): Stateful | null {
    return null;
  }
}

let make: (() => Correlator) | null = null;
let instance: Correlator | null = null;

/** Says how the plugin's correlator is made. Once, at the end of its entry file. */
export function correlator(made: () => Correlator): void {
  make = made;
}

/** Makes the one correlator. @internal */
export function start(): Correlator {
  const made = make!();
  instance = made;
  return made;
}

/** The one correlator: the host configures it before anything else. @internal */
export function running(): Correlator {
  return instance!;
}
