// What a detector says.

import { Fields } from "./field";
import { Outgoing, aligned, storeText, textBytes, worked } from "./memory";
import { Severity } from "./severity";

/** One thing that a detector saw. At most one for each series and frame. */
@final
export class Finding {
  hasSeries: bool = false;
  /** The series it is about, when `hasSeries`; otherwise it is about the answer as a whole. */
  series: u32 = 0;
  hasSeverity: bool = false;
  private ownSeverity: Severity = Severity.Info;
  hasScore: bool = false;
  private ownScore: f64 = 0;
  /** One sentence for a person; empty leaves it to the rule's annotations. */
  message: string = "";
  /** Further facts. */
  fields: Fields = new Fields();

  /** About the answer as a whole; `Frame.finding` makes one about a sample. */
  constructor(
    /** When, in milliseconds. */
    public timestamp: i64,
    /** The value that made it. */
    public value: f64,
  ) {}

  /** How bad; without it the rule says. */
  set severity(severity: Severity) {
    this.hasSeverity = true;
    this.ownSeverity = severity;
  }

  get severity(): Severity {
    return this.ownSeverity;
  }

  /** How unusual, for detectors that can tell. */
  set score(score: f64) {
    this.hasScore = true;
    this.ownScore = score;
  }

  get score(): f64 {
    return this.ownScore;
  }

  /** Says it. More than one for each series of the frame and a thousand besides, or one that breaks a limit, ends the call. */
  emit(): void {
    outgoing.begin(16 + aligned(textBytes(this.message)) + this.fields.bytes());
    const text = outgoing.take(8);
    storeText(outgoing, text, this.message);
    emitFinding(
      i32(this.hasSeries), this.series, i32(this.hasSeverity), this.ownSeverity, this.timestamp, this.value,
      i32(this.hasScore), this.ownScore, load<u32>(text), load<u32>(text, 4), this.fields.store(outgoing), this.fields.length,
    );
    worked(1);
  }
}

const outgoing = new Outgoing();

/** The one thing that the host offers. */
@external("orion:plugin/findings@1.0.0", "emit")
declare function emitFinding(
  hasSeries: i32, series: u32, hasSeverity: i32, severity: i32, timestamp: i64, value: f64,
  hasScore: i32, score: f64, message: usize, messageBytes: u32, fields: usize, fieldCount: i32,
): void;
