// Says back everything that it is told, so that a test sees that nothing was lost on the way.

import {
  Detector, Finding, Frame, Parameters, Reader, SeriesState, Severity, Stateful, Stored, Writer, detector,
} from "../detector";

export * from "../detector-plugin";

@final
class Seen extends Stored {
  count: u32 = 0;
  note: string = "";

  write(out: Writer): void {
    out.u32(this.count);
    out.text(this.note);
  }

  read(from: Reader): void {
    this.count = from.u32();
    this.note = from.text();
  }
}

@final
class Echo extends Detector {
  private given: Finding = new Finding(0, 0);
  private seen: SeriesState<Seen> = new SeriesState(7);

  configure(parameters: Parameters): string | null {
    if (parameters.has("refuse")) return "`refuse` is sät";
    const fields = this.given.fields;
    fields.addText("text", parameters.text("text", "none"));
    fields.addNumber("number", parameters.number("number", 0.5));
    fields.addInteger("integer", parameters.integer("integer", -1));
    fields.addFlag("flag", parameters.flag("flag", true));
    fields.addText("texts", parameters.texts("texts").join("|"));
    return null;
  }

  observe(frame: Frame): void {
    this.given.timestamp = frame.now;
    this.given.emit();
    for (let i = 0; i < frame.length; i++) {
      const finding = frame.finding(i);
      const labels = frame.series(i).labels();
      for (let j = 0; j < labels.length; j++) finding.message += `${labels[j].name}=${labels[j].value};`;
      finding.severity = Severity.Warning;
      finding.score = f64(this.note(frame.id(i)));
      finding.emit();
    }
  }

  /** How often a series was seen. */
  private note(id: u32): u32 {
    let seen = this.seen.get(id);
    if (seen == null) seen = new Seen();
    seen.count++;
    seen.note = `ß${seen.count}`;
    this.seen.set(id, seen);
    return seen.count;
  }

  state(): Stateful | null {
    return this.seen;
  }
}

detector(() => new Echo());
