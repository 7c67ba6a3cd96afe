/** How bad a thing is, in four steps; a higher number is worse. */
export enum Severity {
  /** Worth knowing. */
  Info,
  /** Will become a problem. */
  Warning,
  /** Is a problem. */
  Error,
  /** People are affected now. */
  Critical,
}

/** The worse of two. */
export function worse(one: Severity, other: Severity): Severity {
  return one > other ? one : other;
}
