//! Many events of one group within a short time.

const std = @import("std");
const orion = @import("orion");

const state_version = 1;
const second_millis = 1000;
const minute_millis = 60 * second_millis;

const Kept = extern struct { timestamp: i64, position: u64 };

/// One group of events.
const Group = struct {
    open: bool = false,
    severity: orion.Severity = .info,
    last: i64,
    /// Events that may still become an incident; none while it is open.
    kept: std.ArrayList(Kept) = .empty,

    pub fn write(self: Group, out: *orion.Writer) void {
        out.put(@as(u8, @intFromBool(self.open)));
        out.put(@intFromEnum(self.severity));
        out.put(self.last);
        out.putBytes(std.mem.sliceAsBytes(self.kept.items));
    }

    pub fn read(in: *orion.Reader) ?Group {
        const open = in.take(u8) orelse return null;
        const severity = in.take(u8) orelse return null;
        var group = Group{
            .open = open != 0,
            .severity = std.meta.intToEnum(orion.Severity, severity) catch return null,
            .last = in.take(i64) orelse return null,
        };
        while (in.left.len > 0) group.keep(in.take(Kept) orelse return null);
        return group;
    }

    pub fn deinit(self: *Group) void {
        self.kept.deinit(orion.memory);
    }

    fn keep(self: *Group, kept: Kept) void {
        self.kept.append(orion.memory, kept) catch @trap();
    }

    /// Drops what is too old to count any more.
    fn age(self: *Group, until: i64) void {
        var left: usize = 0;
        for (self.kept.items) |kept| {
            if (kept.timestamp <= until) continue;
            self.kept.items[left] = kept;
            left += 1;
        }
        self.kept.shrinkRetainingCapacity(left);
    }
};

pub const Burst = struct {
    count: i64,
    window: i64,
    quiet: i64,
    groups: orion.Map(Group) = .ofVersion(state_version),

    pub fn configure(given: orion.Parameters) orion.Refused!Burst {
        return .{
            .count = given.integer("count") orelse 3,
            .window = given.integer("window") orelse 5 * minute_millis,
            .quiet = given.integer("quiet") orelse 10 * minute_millis,
        };
    }

    pub fn state(self: *Burst) *orion.Map(Group) {
        return &self.groups;
    }

    pub fn correlate(self: *Burst, now: i64, events: []const orion.Event) void {
        for (events) |event| {
            if (event.status != .resolved) self.takeIn(event);
        }
        self.timePasses(now);
    }

    fn takeIn(self: *Burst, event: orion.Event) void {
        if (self.groups.get(event.key)) |before| {
            if (before.open and event.timestamp - before.last >= self.quiet) {
                self.resolve(event.key, before);
                self.groups.remove(event.key);
            }
        }
        const group = self.groups.put(event.key, .{ .last = event.timestamp });
        if (!group.open) {
            group.age(event.timestamp - self.window);
            if (group.kept.items.len == 0) group.severity = .info;
            group.keep(.{ .timestamp = event.timestamp, .position = event.position });
        }
        if (@intFromEnum(event.severity) > @intFromEnum(group.severity)) group.severity = event.severity;
        group.last = @max(group.last, event.timestamp);
        if (group.open) {
            orion.emitChange(.{
                .key = event.key,
                .kind = .updated,
                .severity = group.severity,
                .timestamp = event.timestamp,
                .reason = "one more event",
                .positions = orion.ofThisCall().dupe(u64, &.{event.position}) catch @trap(),
            });
        } else if (group.kept.items.len >= self.count) {
            self.open(event, group);
        }
    }

    fn open(self: *Burst, event: orion.Event, group: *Group) void {
        const events = group.kept.items.len;
        const positions = orion.ofThisCall().alloc(u64, events) catch @trap();
        for (positions, group.kept.items) |*position, kept| position.* = kept.position;
        orion.emitChange(.{
            .key = event.key,
            .kind = .opened,
            .severity = group.severity,
            .timestamp = event.timestamp,
            .reason = orion.text("{d} events within {d} s", .{ events, @divTrunc(self.window, second_millis) }),
            .positions = positions,
            .fields = &.{.{ .name = "events", .value = .{ .integer = @intCast(events) } }},
        });
        group.open = true;
        group.kept.clearRetainingCapacity();
    }

    fn resolve(self: *Burst, key: []const u8, group: *const Group) void {
        orion.emitChange(.{
            .key = orion.ofThisCall().dupe(u8, key) catch @trap(),
            .kind = .resolved,
            .severity = group.severity,
            .timestamp = group.last + self.quiet,
            .reason = orion.text("quiet for {d} s", .{@divTrunc(self.quiet, second_millis)}),
        });
    }

    /// Ends what has been quiet for long enough, and forgets what came to nothing.
    fn timePasses(self: *Burst, now: i64) void {
        var place: usize = 0;
        while (place < self.groups.count()) {
            const group = self.groups.at(place);
            const is_over = if (group.open) now - group.last >= self.quiet else group.last <= now - self.window;
            if (is_over and group.open) self.resolve(self.groups.keyAt(place), group);
            if (is_over) self.groups.removeAt(place) else place += 1;
        }
    }
};

comptime {
    orion.correlator(Burst);
}

const expect = std.testing.expect;

fn configured() !Burst {
    orion.said_changes.clearRetainingCapacity();
    return Burst.configure(orion.parametersOf(&.{
        .{ .name = "count", .value = .{ .integer = 2 } },
        .{ .name = "window", .value = .{ .integer = 60 * second_millis } },
        .{ .name = "quiet", .value = .{ .integer = 120 * second_millis } },
    }));
}

fn eventAt(position: u64, timestamp: i64, severity: orion.Severity) orion.Event {
    return .{ .position = position, .timestamp = timestamp, .severity = severity, .status = .occurred, .fingerprint = 0, .value = 0, .key = "döor", .type = "test", .labels = &.{} };
}

test "two events within the window open an incident that ends when it is quiet" {
    var plugin = try configured();
    plugin.correlate(3000, &.{ eventAt(1, 1000, .info), eventAt(2, 2000, .@"error"), eventAt(3, 3000, .warning) });
    const opened = orion.said_changes.items[0];
    try expect(opened.kind == .opened and opened.severity == .@"error" and opened.positions.len == 2);
    try std.testing.expectEqualStrings("2 events within 60 s", opened.reason);
    try expect(orion.said_changes.items[1].kind == .updated);
    plugin.correlate(122_999, &.{});
    try expect(orion.said_changes.items.len == 2);
    plugin.correlate(123_000, &.{});
    try expect(orion.said_changes.items[2].timestamp == 123_000);
    try std.testing.expectEqualStrings("quiet for 120 s", orion.said_changes.items[2].reason);
}

test "events far apart open nothing" {
    var plugin = try configured();
    plugin.correlate(61_000, &.{ eventAt(1, 1000, .info), eventAt(2, 61_000, .info) });
    try expect(orion.said_changes.items.len == 0);
}
