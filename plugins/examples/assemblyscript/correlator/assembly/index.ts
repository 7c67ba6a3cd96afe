import {
  Change, ChangeKind, Correlator, Events, Parameters, Reader, Severity, State, Stateful, Status, Stored, Writer, correlator,
  worse,
} from "../../../../sdk/assemblyscript/correlator";

export * from "../../../../sdk/assemblyscript/correlator-plugin";

/** Raise it, here and in plugin.toml, when the form of `Group` changes. */
const STATE_VERSION: u32 = 1;

const MILLIS_PER_SECOND: i64 = 1000;

/** Bytes of an event that is kept. */
const KEPT_BYTES: u32 = 16;

/** An event that may become part of an incident. */
@final
class Kept {
  constructor(
    public timestamp: i64,
    public position: u64,
  ) {}
}

/** What is known of a group. */
@final
class Group extends Stored {
  open: bool = false;
  severity: Severity = Severity.Info;
  last: i64 = i64.MIN_VALUE;
  kept: Array<Kept> = [];

  write(out: Writer): void {
    out.flag(this.open);
    out.u32(this.severity);
    out.i64(this.last);
    out.u32(this.kept.length);
    for (let i = 0; i < this.kept.length; i++) {
      out.i64(this.kept[i].timestamp);
      out.u64(this.kept[i].position);
    }
  }

  read(from: Reader): void {
    this.open = from.flag();
    this.severity = from.u32();
    this.last = from.i64();
    for (let left = from.count(KEPT_BYTES); left > 0; left--) {
      const timestamp = from.i64();
      this.kept.push(new Kept(timestamp, from.u64()));
    }
  }

  /** Drops what is as old as `edge` or older. With nothing left the severity starts anew. */
  forget(edge: i64): void {
    const kept: Array<Kept> = [];
    for (let i = 0; i < this.kept.length; i++) {
      if (this.kept[i].timestamp > edge) kept.push(this.kept[i]);
    }
    this.kept = kept;
    if (kept.length == 0) this.severity = Severity.Info;
  }

  /** The positions of what is kept, which from now on belongs to an incident. */
  take(): Array<u64> {
    const positions: Array<u64> = [];
    for (let i = 0; i < this.kept.length; i++) positions.push(this.kept[i].position);
    this.kept = [];
    return positions;
  }
}

/** Many events of one group within a short time. */
@final
class Burst extends Correlator {
  private count: i64 = 0;
  private window: i64 = 0;
  private quiet: i64 = 0;
  private groups: State<Group> = new State(STATE_VERSION);

  configure(parameters: Parameters): string | null {
    this.count = parameters.integer("count", 3);
    this.window = parameters.millis("window", 300_000);
    this.quiet = parameters.millis("quiet", 600_000);
    return null;
  }

  correlate(now: i64, events: Events): void {
    while (events.next()) {
      if (events.status != Status.Resolved) this.take(events);
    }
    const keys = this.groups.keys();
    for (let i = 0; i < keys.length; i++) this.pass(keys[i], now);
  }

  private take(event: Events): void {
    const key = event.key;
    const time = event.timestamp;
    const group = this.groupAt(key, time);
    if (!group.open) group.forget(time - this.window);
    group.kept.push(new Kept(time, event.position));
    group.severity = worse(group.severity, event.severity);
    group.last = max(group.last, time);
    if (group.open) this.update(key, group, time);
    else if (group.kept.length >= this.count) this.open(key, group, time);
    this.groups.set(key, group);
  }

  /** The group of a key; a new one when there is none, or when the one that was open has been quiet for long enough. */
  private groupAt(key: string, time: i64): Group {
    const group = this.groups.get(key);
    if (group == null) return new Group();
    if (!this.isOver(group, time)) return group;
    this.resolve(key, group);
    return new Group();
  }

  private open(key: string, group: Group, time: i64): void {
    const count = group.kept.length;
    const reason = `${count} events within ${this.window / MILLIS_PER_SECOND} s`;
    group.open = true;
    const change = new Change(ChangeKind.Opened, key, group.severity, time, reason);
    change.positions = group.take();
    change.fields.addInteger("events", count);
    change.emit();
  }

  private update(key: string, group: Group, time: i64): void {
    const change = new Change(ChangeKind.Updated, key, group.severity, time, "one more event");
    change.positions = group.take();
    change.emit();
  }

  /** Time has passed for a group. */
  private pass(key: string, now: i64): void {
    const group = this.groups.get(key)!;
    if (this.isOver(group, now)) this.resolve(key, group);
    else if (!group.open && group.last <= now - this.window) this.groups.delete(key);
  }

  private isOver(group: Group, time: i64): bool {
    return group.open && time - group.last >= this.quiet;
  }

  private resolve(key: string, group: Group): void {
    const reason = `quiet for ${this.quiet / MILLIS_PER_SECOND} s`;
    new Change(ChangeKind.Resolved, key, group.severity, group.last + this.quiet, reason).emit();
    this.groups.delete(key);
  }

  state(): Stateful | null {
    return this.groups;
  }
}

correlator(() => new Burst());
