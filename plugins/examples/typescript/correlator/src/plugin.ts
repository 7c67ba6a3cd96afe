import { State, worse } from "../../../../sdk/javascript/index.js";
import type {
  Change, Correlator, Event, Packing, Parameters, Reader, Severity, Writer,
} from "../../../../sdk/javascript/index.js";

/** Raise it, here and in plugin.toml, when the form of `Group` changes. */
export const STATE_VERSION = 1;

const MILLIS_PER_SECOND = 1000;

/** An event that may become part of an incident. */
interface Kept {
  timestamp: number;
  position: bigint;
}

/** What is known of a group. */
interface Group {
  open: boolean;
  severity: Severity;
  last: number;
  kept: Kept[];
}

type Emit = (change: Change) => void;

const GROUPS: Packing<Group> = {
  write({ open, severity, last, kept }: Group, out: Writer) {
    out.flag(open);
    out.text(severity);
    out.number(last);
    out.u32(kept.length);
    for (const { timestamp, position } of kept) {
      out.number(timestamp);
      out.u64(position);
    }
  },
  read(from: Reader) {
    const group: Group = { open: from.flag(), severity: from.text() as Severity, last: from.number(), kept: [] };
    for (let left = from.u32(); left > 0; left--) group.kept.push({ timestamp: from.number(), position: from.u64() });
    return group;
  },
};

/** Many events of one group within a short time. */
export default class Burst implements Correlator {
  readonly state = new State<Group>(STATE_VERSION, GROUPS);
  private readonly count: number;
  private readonly window: number;
  private readonly quiet: number;

  constructor(parameters: Parameters) {
    this.count = parameters.integer("count", 3);
    this.window = parameters.millis("window", 300_000);
    this.quiet = parameters.millis("quiet", 600_000);
  }

  correlate(now: number, events: Event[], emit: Emit): void {
    for (const event of events) {
      if (event.status !== "resolved") this.take(event, emit);
    }
    for (const [key, group] of this.state) {
      if (this.isOver(group, now)) this.resolve(key, group, emit);
      else if (!group.open && group.last <= now - this.window) this.state.delete(key);
    }
  }

  private take(event: Event, emit: Emit): void {
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
  private groupAt(key: string, timestamp: number, emit: Emit): Group {
    const group = this.state.get(key);
    if (group !== undefined && !this.isOver(group, timestamp)) return group;
    if (group !== undefined) this.resolve(key, group, emit);
    return { open: false, severity: "info", last: timestamp, kept: [] };
  }

  private open(key: string, group: Group, timestamp: number, emit: Emit): void {
    const events = group.kept.length;
    const reason = `${events} events within ${Math.floor(this.window / MILLIS_PER_SECOND)} s`;
    const fields = { events: BigInt(events) };
    group.open = true;
    emit({ kind: "opened", key, severity: group.severity, timestamp, reason, positions: takeAll(group), fields });
  }

  private isOver(group: Group, time: number): boolean {
    return group.open && time - group.last >= this.quiet;
  }

  private resolve(key: string, { severity, last }: Group, emit: Emit): void {
    const reason = `quiet for ${Math.floor(this.quiet / MILLIS_PER_SECOND)} s`;
    emit({ kind: "resolved", key, severity, timestamp: last + this.quiet, reason });
    this.state.delete(key);
  }
}

/** Drops what is as old as `edge` or older. With nothing left the severity starts anew. */
function forget(group: Group, edge: number): void {
  group.kept = group.kept.filter(({ timestamp }) => timestamp > edge);
  if (group.kept.length === 0) group.severity = "info";
}

/** The positions of what is kept, which from now on belongs to an incident. */
function takeAll(group: Group): bigint[] {
  const positions = group.kept.map(({ position }) => position);
  group.kept = [];
  return positions;
}
