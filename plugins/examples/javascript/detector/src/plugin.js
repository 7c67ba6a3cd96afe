import { SeriesState } from "../../../../sdk/javascript/index.js";

/** Raise it, here and in plugin.toml, when the form of a mean changes. */
export const STATE_VERSION = 1;

/** What a series taught so far, as bytes. */
const MEANS = {
  write: ({ mean, samples, last }, out) => {
    out.number(mean);
    out.number(samples);
    out.number(last);
  },
  read: (from) => ({ mean: from.number(), samples: from.number(), last: from.number() }),
};

/** A series that is far above its own running mean. */
export default class Surge {
  constructor(parameters) {
    this.factor = parameters.number("factor", 3.0);
    this.warmup = parameters.integer("warmup", 10);
    this.weight = parameters.number("weight", 0.1);
    this.state = new SeriesState(STATE_VERSION, MEANS);
  }

  observe(frame, emit) {
    const { state, factor, warmup, weight } = this;
    const { ids, timestamps, values } = frame;
    for (let i = 0; i < ids.length; i++) {
      const value = values[i];
      if (!Number.isFinite(value)) continue;
      const series = ids[i];
      const timestamp = timestamps[i];
      const known = state.get(series);
      if (known === undefined) {
        state.set(series, { mean: value, samples: 1, last: timestamp });
        continue;
      }
      if (value > factor * known.mean && known.mean > 0 && known.samples >= warmup) {
        emit(this.finding(frame, series, timestamp, value, known));
      }
      // A sample that is not newer teaches nothing: after an edit of the rule the same instant may be seen again.
      if (timestamp <= known.last) continue;
      known.mean += weight * (value - known.mean);
      known.samples += 1;
      known.last = timestamp;
      state.changed(series);
    }
  }

  finding(frame, series, timestamp, value, { mean, samples }) {
    const labels = frame.labels(series);
    const name = labels.get("instance") ?? labels.get("job") ?? "a series";
    return {
      series,
      severity: value > 2 * this.factor * mean ? "critical" : undefined,
      timestamp,
      value,
      score: value / mean,
      message: `${name} is far above its mean`,
      fields: { mean, samples: BigInt(samples) },
    };
  }
}
