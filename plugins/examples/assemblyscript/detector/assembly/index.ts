import {
  Detector, Frame, Parameters, Reader, Series, SeriesState, Severity, Stateful, Stored, Writer, detector,
} from "../../../../sdk/assemblyscript/detector";

export * from "../../../../sdk/assemblyscript/detector-plugin";

/** Raise it, here and in plugin.toml, when the form of `Mean` changes. */
const STATE_VERSION: u32 = 1;

/** What a series taught so far. */
@final
class Mean extends Stored {
  mean: f64 = 0;
  samples: i64 = 0;
  last: i64 = i64.MIN_VALUE;

  write(out: Writer): void {
    out.f64(this.mean);
    out.i64(this.samples);
    out.i64(this.last);
  }

  read(from: Reader): void {
    this.mean = from.f64();
    this.samples = from.i64();
    this.last = from.i64();
  }
}

/** A series that is far above its own running mean. */
@final
class Surge extends Detector {
  private factor: f64 = 0;
  private warmup: i64 = 0;
  private weight: f64 = 0;
  private means: SeriesState<Mean> = new SeriesState(STATE_VERSION);

  configure(parameters: Parameters): string | null {
    this.factor = parameters.number("factor", 3.0);
    this.warmup = parameters.integer("warmup", 10);
    this.weight = parameters.number("weight", 0.1);
    return null;
  }

  observe(frame: Frame): void {
    for (let i = 0, n = frame.length; i < n; i++) {
      const value = frame.value(i);
      if (!isFinite(value)) continue;
      const mean = this.means.get(frame.id(i));
      if (mean != null) this.judge(frame, i, value, mean);
      this.teach(frame.id(i), frame.timestamp(i), value, mean);
    }
  }

  private judge(frame: Frame, index: i32, value: f64, mean: Mean): void {
    if (mean.samples < this.warmup || mean.mean <= 0 || value <= this.factor * mean.mean) return;
    const finding = frame.finding(index);
    if (value > 2 * this.factor * mean.mean) finding.severity = Severity.Critical;
    finding.score = value / mean.mean;
    finding.message = `${nameOf(frame.series(index))} is far above its mean`;
    finding.fields.addNumber("mean", mean.mean);
    finding.fields.addInteger("samples", mean.samples);
    finding.emit();
  }

  /** A sample that is not newer teaches nothing: after an edit of the rule the same instant may be seen again. */
  private teach(series: u32, timestamp: i64, value: f64, known: Mean | null): void {
    if (known == null) {
      const first = new Mean();
      first.mean = value;
      first.samples = 1;
      first.last = timestamp;
      this.means.set(series, first);
      return;
    }
    if (timestamp <= known.last) return;
    known.mean = known.mean + this.weight * (value - known.mean);
    known.samples++;
    known.last = timestamp;
    this.means.changed(series);
  }

  state(): Stateful | null {
    return this.means;
  }
}

function nameOf(series: Series): string {
  const instance = series.label("instance");
  if (instance != null) return instance;
  const job = series.label("job");
  return job != null ? job : "a series";
}

detector(() => new Surge());
