// What a detector is made of. The entry file of a plugin also says `export * from "…/detector-plugin"`, which makes it
// one for the host.

import { Frame } from "./frame";
import { Parameters } from "./parameters";
import { Stateful } from "./state";

export { Fields } from "./field";
export { Finding } from "./finding";
export { Frame, Label, Series } from "./frame";
export { Parameters } from "./parameters";
export { Severity, worse } from "./severity";
export { Entry, SeriesState, State, Stateful, compareBytes } from "./state";
export { Reader, Stored, Writer } from "./stored";

/** Reads frames, emits findings. */
export abstract class Detector {
  /** Takes the rule's `with:`; returns null, or a refusal in words. */
  configure(_parameters: Parameters): string | null {
    return null;
  }

  /** Looks at one frame. At most one finding for each series. */
  abstract observe(frame: Frame): void;

  /** What survives a restart. A detector that remembers returns it here, and says `state-version` in its manifest. */
  state(): Stateful | null {
    return null;
  }
}

let make: (() => Detector) | null = null;
let instance: Detector | null = null;

/** Says how the plugin's detector is made. Once, at the end of its entry file. */
export function detector(made: () => Detector): void {
  make = made;
}

/** Makes the one detector. @internal */
export function start(): Detector {
  const made = make!();
  instance = made;
  return made;
}

/** The one detector: the host configures it before anything else. @internal */
export function running(): Detector {
  return instance!;
}
