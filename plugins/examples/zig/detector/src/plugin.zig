//! A series that is far above its own running mean.

const std = @import("std");
const orion = @import("orion");

const state_version = 1;

/// What is known of a series.
const Known = extern struct { mean: f64, samples: i64, last: i64 };

pub const Surge = struct {
    factor: f64,
    warmup: i64,
    weight: f64,
    known: orion.SeriesState(Known) = .ofVersion(state_version),

    pub fn configure(given: orion.Parameters) orion.Refused!Surge {
        return .{
            .factor = given.number("factor") orelse 3.0,
            .warmup = given.integer("warmup") orelse 10,
            .weight = given.number("weight") orelse 0.1,
        };
    }

    pub fn state(self: *Surge) *orion.SeriesState(Known) {
        return &self.known;
    }

    pub fn observe(self: *Surge, frame: orion.Frame) void {
        var samples = frame.samples();
        while (samples.next()) |sample| {
            if (!std.math.isFinite(sample.value)) continue;
            const known = self.known.get(sample.series.id);
            if (known) |before| self.judge(sample, before);
            self.teach(sample, known);
        }
    }

    fn judge(self: *Surge, sample: orion.Sample, known: Known) void {
        const is_far_above = known.mean > 0 and sample.value > self.factor * known.mean;
        if (known.samples < self.warmup or !is_far_above) return;
        const name = sample.series.label("instance") orelse sample.series.label("job") orelse "a series";
        orion.emitFinding(.{
            .series = sample.series.id,
            .severity = if (sample.value > 2 * self.factor * known.mean) .critical else null,
            .timestamp = sample.timestamp,
            .value = sample.value,
            .score = sample.value / known.mean,
            .message = orion.text("{s} is far above its mean", .{name}),
            .fields = &.{
                .{ .name = "mean", .value = .{ .number = known.mean } },
                .{ .name = "samples", .value = .{ .integer = known.samples } },
            },
        });
    }

    /// A sample that is not newer than the last teaches nothing: an edited rule is shown an instant it has seen.
    fn teach(self: *Surge, sample: orion.Sample, known: ?Known) void {
        const before = known orelse Known{ .mean = sample.value, .samples = 0, .last = std.math.minInt(i64) };
        if (known != null and sample.timestamp <= before.last) return;
        self.known.put(sample.series.id, .{
            .mean = if (known == null) sample.value else before.mean + self.weight * (sample.value - before.mean),
            .samples = before.samples + 1,
            .last = sample.timestamp,
        });
    }
};

comptime {
    orion.detector(Surge);
}

const expect = std.testing.expect;

fn configured() !Surge {
    orion.define(7, &.{ .{ .name = "instance", .value = "höst" }, .{ .name = "job", .value = "node" } });
    orion.said_findings.clearRetainingCapacity();
    return Surge.configure(orion.parametersOf(&.{
        .{ .name = "factor", .value = .{ .number = 2.0 } },
        .{ .name = "warmup", .value = .{ .integer = 2 } },
        .{ .name = "weight", .value = .{ .number = 0.5 } },
    }));
}

fn show(plugin: *Surge, now: i64, value: f64) void {
    plugin.observe(.{ .now = now, .ids = &.{7}, .timestamps = &.{now}, .values = &.{value} });
}

test "a value far above the mean is found" {
    var plugin = try configured();
    show(&plugin, 1, 10.0);
    show(&plugin, 2, 10.0);
    try expect(orion.said_findings.items.len == 0);
    show(&plugin, 3, 30.0);
    const found = orion.said_findings.items[0];
    try std.testing.expectEqualStrings("höst is far above its mean", found.message);
    try expect(found.score.? == 3.0 and found.severity == null);
}

test "what is no number neither is found nor teaches" {
    var plugin = try configured();
    show(&plugin, 1, 10.0);
    show(&plugin, 2, std.math.nan(f64));
    show(&plugin, 3, std.math.inf(f64));
    show(&plugin, 4, 100.0);
    try expect(orion.said_findings.items.len == 0);
}
