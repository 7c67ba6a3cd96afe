// Says back every event, so that a test sees that nothing was lost on the way. Keeps no state.

import { Change, ChangeKind, Correlator, Events, correlator } from "../correlator";

export * from "../correlator-plugin";

@final
class Echo extends Correlator {
  correlate(now: i64, events: Events): void {
    while (events.next()) {
      const labels = events.labels();
      let reason = events.eventType;
      for (let i = 0; i < labels.length; i++) reason += ` ${labels[i].name}=${labels[i].value}`;
      const change = new Change(ChangeKind.Updated, events.key, events.severity, events.timestamp, reason);
      change.positions.push(events.position);
      change.fields.addInteger("status", i64(events.status));
      change.fields.addInteger("fingerprint", i64(events.fingerprint));
      change.fields.addNumber("value", events.value);
      change.fields.addInteger("now", now);
      const zone = events.label("zone");
      change.fields.addText("zone", zone != null ? zone : "-");
      change.emit();
    }
  }
}

correlator(() => new Echo());
