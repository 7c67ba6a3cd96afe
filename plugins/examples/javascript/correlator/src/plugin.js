import { State, worse } from "../../../../sdk/javascript/index.js";

/** Raise it, here and in plugin.toml, when the form of a group changes. */
export const STATE_VERSION = 1;

const MILLIS_PER_SECOND = 1000;

/** What is known of a group, as bytes. */
const GROUPS = {
  write: ({ open, severity, last, kept }, out) => {
    out.flag(open);
    out.text(severity);
    out.number(last);
    out.u32(kept.length);
    for (const { timestamp, position } of kept) {
      out.number(timestamp);
      out.u64(position);
    }
  },
  read: (from) => {
    const group = { open: from.flag(), severity: from.text(), last: from.number(), kept: [] };
    for (let left = from.u32(); left > 0; left--) group.kept.push({ timestamp: from.number(), position: from.u64() });
    return group;
  },
};

/** Many events of one group within a short time. */
export default class Burst {
  constructor(parameters) {
    this.count = parameters.integer("count", 3);
    this.window = parameters.millis("window", 300_000);
    this.quiet = parameters.millis("quiet", 600_000);
    this.state = new State(STATE_VERSION, GROUPS);
  }

  correlate(now, events, emit) {
    for (const event of events) {
      if (event.status !== "resolved") this.take(event, emit);
    }
    for (const [key, group] of this.state) {
      if (this.isOver(group, now)) this.resolve(key, group, emit);
      else if (!group.open && group.last <= now - this.window) this.state.delete(key);
    }
  }

  take(event, emit) {
    const { key, timestamp } = event;
    const group = this.groupAt(key, timestamp, emit);
    if (!group.open) forget(group, timestamp - this.window);
    group.kept.push({ timestamp, position: event.position });
    group.severity = worse(group.severity, event.severity);
    group.last = Math.max(group.last, timestamp);
    const { severity } = group;
    if (group.open) {
      emit({ kind: "updated", key, severity, timestamp, reason: "one more event", positions: takeAll(group) });
    } else if (group.kept.length >= this.count) {
      this.open(key, group, timestamp, emit);
    }
    this.state.set(key, group);
  }

  /** The group of a key; a new one when there is none, or when the one that was open has been quiet for long enough. */
  groupAt(key, timestamp, emit) {
    const group = this.state.get(key);
    if (group !== undefined && !this.isOver(group, timestamp)) return group;
    if (group !== undefined) this.resolve(key, group, emit);
    return { open: false, severity: "info", last: timestamp, kept: [] };
  }

  open(key, group, timestamp, emit) {
    const events = group.kept.length;
    const reason = `${events} events within ${Math.floor(this.window / MILLIS_PER_SECOND)} s`;
    const fields = { events: BigInt(events) };
    group.open = true;
    emit({ kind: "opened", key, severity: group.severity, timestamp, reason, positions: takeAll(group), fields });
  }

  isOver(group, time) {
    return group.open && time - group.last >= this.quiet;
  }

  resolve(key, { severity, last }, emit) {
    const reason = `quiet for ${Math.floor(this.quiet / MILLIS_PER_SECOND)} s`;
    emit({ kind: "resolved", key, severity, timestamp: last + this.quiet, reason });
    this.state.delete(key);
  }
}

/** Drops what is as old as `edge` or older. With nothing left the severity starts anew. */
function forget(group, edge) {
  group.kept = group.kept.filter(({ timestamp }) => timestamp > edge);
  if (group.kept.length === 0) group.severity = "info";
}

/** The positions of what is kept, which from now on belongs to an incident. */
function takeAll(group) {
  const positions = group.kept.map(({ position }) => position);
  group.kept = [];
  return positions;
}
