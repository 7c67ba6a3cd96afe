//! What a plugin in Zig is written with. A detector is a type with
//!
//!     pub fn configure(given: orion.Parameters) orion.Refused!Surge
//!     pub fn observe(self: *Surge, frame: orion.Frame) void
//!     pub fn state(self: *Surge) *orion.SeriesState(Known)      // when it remembers anything
//!
//! and one line, `comptime { orion.detector(Surge); }`. A correlator has `correlate(self, now, events)` in place of `observe`,
//! and `orion.correlator`. Neither sees an offset, and neither can do anything but emit.
//!
//! What is handed out "of this call" is gone when the call ends; copy what you keep, with `memory`. All times are
//! milliseconds since 1970. Equal inputs must give equal outputs: there is no clock and no randomness.

const std = @import("std");
const builtin = @import("builtin");

const is_plugin = builtin.cpu.arch.isWasm();

/// Memory that stays until it is freed.
pub const memory: std.mem.Allocator = if (is_plugin) std.heap.wasm_allocator else std.heap.page_allocator;

var arena = std.heap.ArenaAllocator.init(memory);

/// Memory of this call: all of it is gone when the call ends.
pub fn ofThisCall() std.mem.Allocator {
    return arena.allocator();
}

/// A plugin that is out of memory cannot go on, and the host gives it a new instance.
fn sure(result: anytype) @typeInfo(@TypeOf(result)).error_union.payload {
    return result catch @trap();
}

/// A text of this call.
pub fn text(comptime format: []const u8, arguments: anytype) []const u8 {
    return sure(std.fmt.allocPrint(ofThisCall(), format, arguments));
}

pub const Severity = enum(u8) { info, warning, @"error", critical };

pub const Scalar = union(enum) { text: []const u8, number: f64, integer: i64, flag: bool };

/// A named fact.
pub const Field = struct { name: []const u8, value: Scalar };

/// The parameters are refused; say why with `refuse`.
pub const Refused = error{Refused};

var refusal: []const u8 = "";

pub fn refuse(why: []const u8) Refused {
    refusal = why;
    return error.Refused;
}

// ---- Values as they lie in memory when they cross ----

/// What an empty list points to: the address of a list has to lie in memory, also when nothing is there.
var nothing: u64 = 0;

fn placeOf(comptime Item: type, items: []const Item) [*]const Item {
    return if (items.len == 0) @ptrCast(&nothing) else items.ptr;
}

const RawText = extern struct {
    data: [*]const u8,
    length: usize,

    fn of(bytes: []const u8) RawText {
        return .{ .data = placeOf(u8, bytes), .length = bytes.len };
    }

    fn slice(self: RawText) []const u8 {
        return if (self.length == 0) &.{} else self.data[0..self.length];
    }
};

const RawValue = extern union {
    text: RawText,
    number: f64,
    integer: i64,
    flag: bool,
    texts: extern struct { data: [*]const RawText, count: usize },
};

const RawField = extern struct { name: RawText, kind: u8, value: RawValue };
const RawEntry = extern struct { key: RawText, has_value: bool, value: RawText };

fn rawFields(fields: []const Field) []const RawField {
    const raw = sure(ofThisCall().alloc(RawField, fields.len));
    for (fields, raw) |field, *to| {
        to.* = .{ .name = .of(field.name), .kind = @intFromEnum(field.value), .value = switch (field.value) {
            .text => |value| .{ .text = .of(value) },
            .number => |value| .{ .number = value },
            .integer => |value| .{ .integer = value },
            .flag => |value| .{ .flag = value },
        } };
    }
    return raw;
}

// ---- Parameters: what the rule says under `with:`, checked against plugin.toml, with defaults filled in ----

pub const Parameters = struct {
    raw: []const RawField,

    fn find(self: Parameters, name: []const u8, kind: u8) ?RawValue {
        for (self.raw) |given| {
            if (given.kind == kind and std.mem.eql(u8, given.name.slice(), name)) return given.value;
        }
        return null;
    }

    /// Of this call.
    pub fn word(self: Parameters, name: []const u8) ?[]const u8 {
        return if (self.find(name, 0)) |value| value.text.slice() else null;
    }

    pub fn number(self: Parameters, name: []const u8) ?f64 {
        return if (self.find(name, 1)) |value| value.number else null;
    }

    /// Whole numbers, and durations in milliseconds.
    pub fn integer(self: Parameters, name: []const u8) ?i64 {
        return if (self.find(name, 2)) |value| value.integer else null;
    }

    pub fn flag(self: Parameters, name: []const u8) ?bool {
        return if (self.find(name, 3)) |value| value.flag else null;
    }

    /// The items of a list of texts; of a map its keys and values in turns. Of this call.
    pub fn words(self: Parameters, name: []const u8) []const []const u8 {
        const given = self.find(name, 4) orelse return &.{};
        const all = sure(ofThisCall().alloc([]const u8, given.texts.count));
        for (all, 0..) |*to, place| to.* = given.texts.data[place].slice();
        return all;
    }
};

// ---- State: kept by the host, which asks after each call for what changed ----

pub const Entry = struct { key: []const u8, value: ?[]const u8 };

/// A value for each series. `Value` is saved as the bytes it has: an `extern struct` without gaps, or a number. Series that the
/// host drops are forgotten.
pub fn SeriesState(comptime Value: type) type {
    return struct {
        const Self = @This();
        const Slot = struct { value: Value, present: bool, changed: bool };

        version: u32,
        slots: std.ArrayList(Slot) = .empty,
        changed: std.ArrayList(u32) = .empty,

        /// Of the state-version in plugin.toml.
        pub fn ofVersion(version: u32) Self {
            return .{ .version = version };
        }

        pub fn get(self: *const Self, series: u32) ?Value {
            if (series >= self.slots.items.len or !self.slots.items[series].present) return null;
            return self.slots.items[series].value;
        }

        /// Puts a value: it will be saved.
        pub fn put(self: *Self, series: u32, value: Value) void {
            const slot = self.place(series);
            slot.value = value;
            slot.present = true;
            self.note(series, slot);
        }

        pub fn remove(self: *Self, series: u32) void {
            if (self.get(series) == null) return;
            self.slots.items[series].present = false;
            self.note(series, &self.slots.items[series]);
        }

        fn place(self: *Self, series: u32) *Slot {
            const there = self.slots.items.len;
            if (series >= there) {
                sure(self.slots.resize(memory, series + 1));
                @memset(self.slots.items[there..], .{ .value = std.mem.zeroes(Value), .present = false, .changed = false });
            }
            return &self.slots.items[series];
        }

        fn note(self: *Self, series: u32, slot: *Slot) void {
            if (slot.changed) return;
            slot.changed = true;
            sure(self.changed.append(memory, series));
        }

        pub fn restore(self: *Self, entries: []const Entry) bool {
            for (entries) |entry| {
                const value = entry.value orelse return false;
                if (entry.key.len != @sizeOf(u32) or value.len != @sizeOf(Value)) return false;
                const slot = self.place(std.mem.readInt(u32, entry.key[0..4], .little));
                @memcpy(std.mem.asBytes(&slot.value), value);
                slot.present = true;
            }
            return true;
        }

        pub fn checkpoint(self: *Self) []const Entry {
            const entries = sure(ofThisCall().alloc(Entry, self.changed.items.len));
            std.mem.sort(u32, self.changed.items, {}, std.sort.asc(u32));
            for (self.changed.items, entries) |*series, *entry| {
                const slot = &self.slots.items[series.*];
                slot.changed = false;
                entry.* = .{ .key = std.mem.asBytes(series), .value = if (slot.present) std.mem.asBytes(&slot.value) else null };
            }
            self.changed.clearRetainingCapacity();
            return entries;
        }

        pub fn seriesDropped(self: *Self, ids: []const u32) void {
            for (ids) |id| self.remove(id);
        }
    };
}

/// Bytes that are written piece by piece.
pub const Writer = struct {
    bytes: std.ArrayList(u8) = .empty,

    /// A number, or anything else without pointers and gaps.
    pub fn put(self: *Writer, value: anytype) void {
        self.putBytes(std.mem.asBytes(&value));
    }

    pub fn putBytes(self: *Writer, bytes: []const u8) void {
        sure(self.bytes.appendSlice(ofThisCall(), bytes));
    }
};

/// The same bytes, read again in the same order; null when there are fewer left.
pub const Reader = struct {
    left: []const u8,

    pub fn take(self: *Reader, comptime Value: type) ?Value {
        const bytes = self.takeBytes(@sizeOf(Value)) orelse return null;
        var value: Value = undefined;
        @memcpy(std.mem.asBytes(&value), bytes);
        return value;
    }

    pub fn takeBytes(self: *Reader, count: usize) ?[]const u8 {
        if (self.left.len < count) return null;
        defer self.left = self.left[count..];
        return self.left[0..count];
    }
};

/// A value for each key, in order of keys. `Value` has `write(self, *Writer) void`, `read(*Reader) ?Value` and `deinit(self)`.
pub fn Map(comptime Value: type) type {
    return struct {
        const Self = @This();
        const Item = struct {
            key: []const u8,
            value: Value,
            changed: bool = false,
            /// Whether the host has it: of a key that comes and goes between two checkpoints it never hears.
            saved: bool = false,
        };

        version: u32,
        items: std.ArrayList(*Item) = .empty,
        gone: std.ArrayList([]const u8) = .empty,

        /// Of the state-version in plugin.toml.
        pub fn ofVersion(version: u32) Self {
            return .{ .version = version };
        }

        fn order(key: []const u8, item: *Item) std.math.Order {
            return std.mem.order(u8, key, item.key);
        }

        fn find(self: *const Self, key: []const u8) ?usize {
            return std.sort.binarySearch(*Item, self.items.items, key, order);
        }

        pub fn get(self: *const Self, key: []const u8) ?*const Value {
            return &self.items.items[self.find(key) orelse return null].value;
        }

        /// The value of a key, to change: `fresh` when it is new. It will be saved.
        pub fn put(self: *Self, key: []const u8, fresh: Value) *Value {
            const item = if (self.find(key)) |place| self.items.items[place] else self.enter(key, fresh);
            item.changed = true;
            return &item.value;
        }

        fn enter(self: *Self, key: []const u8, value: Value) *Item {
            const item = sure(memory.create(Item));
            item.* = .{ .key = sure(memory.dupe(u8, key)), .value = value };
            const place = std.sort.lowerBound(*Item, self.items.items, key, order);
            sure(self.items.insert(memory, place, item));
            return item;
        }

        pub fn remove(self: *Self, key: []const u8) void {
            if (self.find(key)) |place| self.removeAt(place);
        }

        /// Keys and values by their place in the order of keys. Removing one moves those behind it.
        pub fn count(self: *const Self) usize {
            return self.items.items.len;
        }

        pub fn keyAt(self: *const Self, place: usize) []const u8 {
            return self.items.items[place].key;
        }

        pub fn at(self: *const Self, place: usize) *const Value {
            return &self.items.items[place].value;
        }

        pub fn removeAt(self: *Self, place: usize) void {
            const item = self.items.orderedRemove(place);
            item.value.deinit();
            if (item.saved) sure(self.gone.append(memory, item.key)) else memory.free(item.key);
            memory.destroy(item);
        }

        pub fn restore(self: *Self, entries: []const Entry) bool {
            for (entries) |entry| {
                var in = Reader{ .left = entry.value orelse return false };
                const value = Value.read(&in) orelse return false;
                if (in.left.len > 0) return false;
                self.enter(entry.key, value).saved = true;
            }
            return true;
        }

        /// Keys that are gone first. One that came back has changed, and is told with the others.
        pub fn checkpoint(self: *Self) []const Entry {
            var entries: std.ArrayList(Entry) = .empty;
            for (self.gone.items) |key| {
                if (self.find(key) == null) sure(entries.append(ofThisCall(), .{ .key = sure(ofThisCall().dupe(u8, key)), .value = null }));
                memory.free(key);
            }
            self.gone.clearRetainingCapacity();
            for (self.items.items) |item| {
                if (!item.changed) continue;
                var out = Writer{};
                item.value.write(&out);
                sure(entries.append(ofThisCall(), .{ .key = item.key, .value = out.bytes.items }));
                item.changed = false;
                item.saved = true;
            }
            return entries.items;
        }

        pub fn seriesDropped(_: *Self, _: []const u32) void {}
    };
}

// ---- A detector ----

/// Labels that were told in one go; freed with the last series of them.
const Told = struct { series: usize, text: []const u8, ends: []const u32 };
const Row = struct { told: *Told, first: usize, labels: usize };

var rows: std.ArrayList(?Row) = .empty;

fn forget(row: *?Row) void {
    const old = row.* orelse return;
    old.told.series -= 1;
    if (old.told.series == 0) {
        memory.free(old.told.text);
        memory.free(old.told.ends);
        memory.destroy(old.told);
    }
    row.* = null;
}

fn defineSeries(ids: []const u32, label_counts: []const u32, all: []const u8, ends: []const u32) void {
    if (ids.len == 0) return;
    const told = sure(memory.create(Told));
    told.* = .{ .series = ids.len, .text = sure(memory.dupe(u8, all)), .ends = sure(memory.dupe(u32, ends)) };
    var first: usize = 0;
    for (ids, label_counts) |id, labels| {
        const there = rows.items.len;
        if (id >= there) {
            sure(rows.resize(memory, id + 1));
            @memset(rows.items[there..], null);
        }
        forget(&rows.items[id]);
        rows.items[id] = .{ .told = told, .first = first, .labels = labels };
        first += labels * 2;
    }
}

fn pieceOf(told: *const Told, piece: usize) []const u8 {
    const start = if (piece == 0) 0 else told.ends[piece - 1];
    return told.text[start..told.ends[piece]];
}

pub const Label = struct { name: []const u8, value: []const u8 };

/// A series: the same number from frame to frame, as long as the host does not drop it.
pub const Series = struct {
    id: u32,

    /// The value of a label. It lives until the series is dropped.
    pub fn label(self: Series, name: []const u8) ?[]const u8 {
        var place: usize = 0;
        while (self.labelAt(place)) |found| : (place += 1) {
            if (std.mem.eql(u8, found.name, name)) return found.value;
        }
        return null;
    }

    /// Labels by their place in the order of names.
    pub fn labelAt(self: Series, place: usize) ?Label {
        if (self.id >= rows.items.len) return null;
        const row = rows.items[self.id] orelse return null;
        if (place >= row.labels) return null;
        const name = row.first + place * 2;
        return .{ .name = pieceOf(row.told, name), .value = pieceOf(row.told, name + 1) };
    }
};

pub const Sample = struct { series: Series, timestamp: i64, value: f64 };

/// The answer to the rule's query at the instant `now`: three columns of the same length.
pub const Frame = struct {
    now: i64,
    ids: []const u32,
    timestamps: []const i64,
    values: []const f64,

    pub fn samples(self: *const Frame) Samples {
        return .{ .frame = self };
    }
};

pub const Samples = struct {
    frame: *const Frame,
    place: usize = 0,

    pub fn next(self: *Samples) ?Sample {
        const place = self.place;
        if (place >= self.frame.ids.len) return null;
        self.place += 1;
        return .{ .series = .{ .id = self.frame.ids[place] }, .timestamp = self.frame.timestamps[place], .value = self.frame.values[place] };
    }
};

/// One thing that a detector saw. At most one for each series and frame.
pub const Finding = struct {
    /// Null when it is about the answer as a whole.
    series: ?u32,
    /// Null leaves it to the rule.
    severity: ?Severity = null,
    timestamp: i64,
    value: f64,
    score: ?f64 = null,
    /// One sentence for a person; when it is empty the rule's annotations speak.
    message: []const u8 = "",
    fields: []const Field = &.{},
};

// ---- A correlator ----

pub const Status = enum(u8) { occurred, firing, resolved };

pub const Event = struct {
    /// On the bus; grows from event to event.
    position: u64,
    timestamp: i64,
    severity: Severity,
    status: Status,
    /// The same for the firing and the resolved event of one alert.
    fingerprint: u64,
    /// NaN when it carries none.
    value: f64,
    /// Its group.
    key: []const u8,
    type: []const u8,
    /// In order of names.
    labels: []const Label,

    pub fn label(self: Event, name: []const u8) ?[]const u8 {
        for (self.labels) |found| {
            if (std.mem.eql(u8, found.name, name)) return found.value;
        }
        return null;
    }
};

pub const ChangeKind = enum(u8) { opened, updated, resolved };

/// A step in the life of the incident that belongs to `key`.
pub const Change = struct {
    key: []const u8,
    kind: ChangeKind,
    severity: Severity,
    timestamp: i64,
    /// Why, in a few words.
    reason: []const u8,
    /// Bus positions of the events that this adds to the incident.
    positions: []const u64 = &.{},
    fields: []const Field = &.{},
};

const host_findings = struct {
    extern "orion:plugin/findings@1.0.0" fn emit(i32, i32, i32, i32, i64, f64, i32, f64, [*]const u8, usize, [*]const RawField, usize) void;
};

const host_incidents = struct {
    extern "orion:plugin/incidents@1.0.0" fn emit([*]const u8, usize, i32, i32, i64, [*]const u8, usize, [*]const u64, usize, [*]const RawField, usize) void;
};

/// Says a finding. In a test, `said_findings` has it.
pub fn emitFinding(finding: Finding) void {
    if (!is_plugin) return sure(said_findings.append(memory, finding));
    const fields = rawFields(finding.fields);
    const severity: i32 = if (finding.severity) |severity| @intFromEnum(severity) else 0;
    host_findings.emit(
        @intFromBool(finding.series != null),
        @bitCast(finding.series orelse 0),
        @intFromBool(finding.severity != null),
        severity,
        finding.timestamp,
        finding.value,
        @intFromBool(finding.score != null),
        finding.score orelse 0,
        placeOf(u8, finding.message),
        finding.message.len,
        placeOf(RawField, fields),
        fields.len,
    );
}

/// Says a change. In a test, `said_changes` has it.
pub fn emitChange(change: Change) void {
    if (!is_plugin) return sure(said_changes.append(memory, change));
    const fields = rawFields(change.fields);
    host_incidents.emit(
        placeOf(u8, change.key),
        change.key.len,
        @intFromEnum(change.kind),
        @intFromEnum(change.severity),
        change.timestamp,
        placeOf(u8, change.reason),
        change.reason.len,
        placeOf(u64, change.positions),
        change.positions.len,
        placeOf(RawField, fields),
        fields.len,
    );
}

// ---- Tests: the plugin is called directly; what it says is collected ----

pub var said_findings: std.ArrayList(Finding) = .empty;
pub var said_changes: std.ArrayList(Change) = .empty;

/// Parameters for a test.
pub fn parametersOf(fields: []const Field) Parameters {
    return .{ .raw = rawFields(fields) };
}

/// Tells the labels of a series, sorted by name, as a host does.
pub fn define(series: u32, labels: []const Label) void {
    var all: std.ArrayList(u8) = .empty;
    var ends: std.ArrayList(u32) = .empty;
    for (labels) |label| {
        for ([_][]const u8{ label.name, label.value }) |piece| {
            sure(all.appendSlice(ofThisCall(), piece));
            sure(ends.append(ofThisCall(), @intCast(all.items.len)));
        }
    }
    defineSeries(&.{series}, &.{@intCast(labels.len)}, all.items, ends.items);
}

// ---- What the host calls ----

/// Makes a plugin of a type that is a detector.
pub fn detector(comptime Plugin: type) void {
    if (!is_plugin) return;
    const Calls = struct {
        fn define_series(ids: [*]const u32, count: usize, label_counts: [*]const u32, _: usize, all: [*]const u8, length: usize, ends: [*]const u32, end_count: usize) callconv(.c) void {
            defineSeries(ids[0..count], label_counts[0..count], all[0..length], ends[0..end_count]);
            callEnds();
        }

        fn drop_series(ids: [*]const u32, count: usize) callconv(.c) void {
            for (ids[0..count]) |id| if (id < rows.items.len) forget(&rows.items[id]);
            if (@hasDecl(Plugin, "state")) {
                if (Shared(Plugin).plugin) |*plugin| plugin.state().seriesDropped(ids[0..count]);
            }
            callEnds();
        }

        fn observe(now: i64, ids: [*]const u32, count: usize, timestamps: [*]const i64, _: usize, values: [*]const f64, _: usize) callconv(.c) void {
            const frame = Frame{ .now = now, .ids = ids[0..count], .timestamps = timestamps[0..count], .values = values[0..count] };
            if (Shared(Plugin).plugin) |*plugin| plugin.observe(frame);
            callEnds();
        }
    };
    const interface = "orion:plugin/detector@1.0.0";
    exportShared(Plugin, interface);
    @export(&Calls.define_series, .{ .name = interface ++ "#define-series" });
    @export(&Calls.drop_series, .{ .name = interface ++ "#drop-series" });
    @export(&Calls.observe, .{ .name = interface ++ "#observe" });
}

/// Events as the host sends them, and the time before them: more than a call may pass one by one.
const Batch = extern struct {
    now: i64,
    positions: [*]const u64,
    count: usize,
    timestamps: [*]const i64,
    timestamp_count: usize,
    severities: [*]const u8,
    severity_count: usize,
    statuses: [*]const u8,
    status_count: usize,
    fingerprints: [*]const u64,
    fingerprint_count: usize,
    values: [*]const f64,
    value_count: usize,
    label_counts: [*]const u32,
    label_count_count: usize,
    text: [*]const u8,
    text_length: usize,
    ends: [*]const u32,
    end_count: usize,

    fn events(self: *const Batch) []const Event {
        const all = sure(ofThisCall().alloc(Event, self.count));
        var pieces = Pieces{ .batch = self };
        for (all, 0..) |*event, i| {
            event.* = .{
                .position = self.positions[i],
                .timestamp = self.timestamps[i],
                .severity = @enumFromInt(self.severities[i]),
                .status = @enumFromInt(self.statuses[i]),
                .fingerprint = self.fingerprints[i],
                .value = self.values[i],
                .key = pieces.next(),
                .type = pieces.next(),
                .labels = &.{},
            };
            const labels = sure(ofThisCall().alloc(Label, self.label_counts[i]));
            for (labels) |*label| label.* = .{ .name = pieces.next(), .value = pieces.next() };
            event.labels = labels;
        }
        return all;
    }
};

const Pieces = struct {
    batch: *const Batch,
    piece: usize = 0,
    start: usize = 0,

    fn next(self: *Pieces) []const u8 {
        const end = self.batch.ends[self.piece];
        defer self.start = end;
        self.piece += 1;
        return self.batch.text[self.start..end];
    }
};

/// Makes a plugin of a type that is a correlator.
pub fn correlator(comptime Plugin: type) void {
    if (!is_plugin) return;
    const Calls = struct {
        fn correlate(batch: *const Batch) callconv(.c) void {
            if (Shared(Plugin).plugin) |*plugin| plugin.correlate(batch.now, batch.events());
            callEnds();
        }
    };
    const interface = "orion:plugin/correlator@1.0.0";
    exportShared(Plugin, interface);
    @export(&Calls.correlate, .{ .name = interface ++ "#correlate" });
}

const Answer = extern struct { refused: bool, why: RawText };
const Entries = extern struct { data: [*]const RawEntry, count: usize };

fn callEnds() void {
    _ = arena.reset(.retain_capacity);
}

/// What both kinds export.
fn Shared(comptime Plugin: type) type {
    return struct {
        var plugin: ?Plugin = null;
        var answer: Answer = undefined;
        var entries: Entries = undefined;

        fn answered(why: ?[]const u8) *const Answer {
            answer = .{ .refused = why != null, .why = .of(why orelse "") };
            return &answer;
        }

        fn configure(parameters: [*]const RawField, count: usize) callconv(.c) *const Answer {
            plugin = Plugin.configure(.{ .raw = parameters[0..count] }) catch return answered(refusal);
            return answered(null);
        }

        fn restore(version: u32, raw: [*]const RawEntry, count: usize) callconv(.c) *const Answer {
            if (!@hasDecl(Plugin, "state")) return answered(if (count == 0) null else "there is saved state, and this plugin keeps none");
            const state = if (plugin) |*configured| configured.state() else return answered("the plugin is not configured");
            if (version != state.version) return answered("the saved state has another version than this plugin reads; reset it");
            const saved = sure(ofThisCall().alloc(Entry, count));
            for (saved, raw[0..count]) |*to, from| {
                to.* = .{ .key = from.key.slice(), .value = if (from.has_value) from.value.slice() else null };
            }
            return answered(if (state.restore(saved)) null else "the saved state is not what this plugin wrote; reset it");
        }

        fn checkpoint() callconv(.c) *const Entries {
            const changed: []const Entry = if (!@hasDecl(Plugin, "state")) &.{} else if (plugin) |*configured| configured.state().checkpoint() else &.{};
            const raw = sure(ofThisCall().alloc(RawEntry, changed.len));
            for (changed, raw) |from, *to| {
                to.* = .{ .key = .of(from.key), .has_value = from.value != null, .value = .of(from.value orelse "") };
            }
            entries = .{ .data = placeOf(RawEntry, raw), .count = raw.len };
            return &entries;
        }

        fn afterAnswer(_: *const Answer) callconv(.c) void {
            callEnds();
        }

        fn afterEntries(_: *const Entries) callconv(.c) void {
            callEnds();
        }

        /// The host makes room for lists and texts with it.
        fn realloc(old: ?[*]u8, old_bytes: usize, alignment: usize, bytes: usize) callconv(.c) [*]u8 {
            const made = arena.allocator().rawAlloc(@max(bytes, 1), .fromByteUnits(alignment), 0) orelse @trap();
            if (old) |from| @memcpy(made[0..@min(old_bytes, bytes)], from[0..@min(old_bytes, bytes)]);
            return made;
        }
    };
}

fn exportShared(comptime Plugin: type, comptime interface: []const u8) void {
    const Calls = Shared(Plugin);
    @export(&Calls.realloc, .{ .name = "cabi_realloc" });
    @export(&Calls.configure, .{ .name = interface ++ "#configure" });
    @export(&Calls.afterAnswer, .{ .name = "cabi_post_" ++ interface ++ "#configure" });
    @export(&Calls.restore, .{ .name = interface ++ "#restore" });
    @export(&Calls.afterAnswer, .{ .name = "cabi_post_" ++ interface ++ "#restore" });
    @export(&Calls.checkpoint, .{ .name = interface ++ "#checkpoint" });
    @export(&Calls.afterEntries, .{ .name = "cabi_post_" ++ interface ++ "#checkpoint" });
}

comptime {
    // The records are passed as they lie in memory.
    if (is_plugin) {
        std.debug.assert(@sizeOf(RawField) == 24 and @sizeOf(RawEntry) == 20 and @sizeOf(Batch) == 80);
    }
}
