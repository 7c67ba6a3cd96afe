// What a plugin in C++ is written with. A detector is a type with
//
//     const char *configure(const orion::Parameters &given);    // nullptr, or why they are refused
//     void observe(const orion::Frame &frame);
//     orion_state *remembered();                                // nullptr when it remembers nothing
//
// and one line, ORION_DETECTOR(Surge). A correlator has `void correlate(int64_t now, orion::Events events)` in place of
// `observe`, and ORION_CORRELATOR. Neither sees an offset, and neither can do anything but emit.
//
// Texts that are handed out live until the call ends; copy what you keep. All times are milliseconds since 1970. Equal inputs
// must give equal outputs: there is no clock and no randomness, and no exceptions.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../c/orion.h"

namespace orion {

inline std::string_view view(orion_text text) { return {text.data, text.length}; }
inline orion_text raw(std::string_view text) { return {text.data(), text.size()}; }

enum class Severity { info, warning, error, critical };

// ---- Parameters: what the rule says under `with:`, checked against plugin.toml, with defaults filled in ----

struct Parameters {
    double number(const char *name, double otherwise) const { return orion_number(name, otherwise); }
    // Whole numbers, and durations in milliseconds.
    int64_t integer(const char *name, int64_t otherwise) const { return orion_integer(name, otherwise); }
    bool flag(const char *name, bool otherwise) const { return orion_flag(name, otherwise); }
    std::string word(const char *name, std::string_view otherwise) const {
        return std::string(view(orion_word(name, raw(otherwise))));
    }
    // The items of a list of texts; of a map its keys and values in turns.
    std::vector<std::string> words(const char *name) const {
        size_t count;
        const orion_text *texts = orion_words(name, &count);
        std::vector<std::string> all;
        for (size_t i = 0; i < count; i++) all.emplace_back(view(texts[i]));
        return all;
    }
};

// ---- State: kept by the host, which asks after each call for what changed ----

// A value for each series, saved as the bytes it has: no pointers, and no gaps between its members. Series that the host drops
// are forgotten.
template <typename Value>
class SeriesState {
    static_assert(std::is_trivially_copyable_v<Value>, "it is saved as the bytes it has");
    orion_series_state state;

public:
    // Of the state-version in plugin.toml.
    explicit SeriesState(uint32_t version) { orion_series_state_begin(&state, version, sizeof(Value)); }
    const Value *get(uint32_t series) const { return static_cast<const Value *>(orion_series_get(&state, series)); }
    // The value of a series, to change: all zeros when it is new. It will be saved.
    Value &put(uint32_t series) { return *static_cast<Value *>(orion_series_put(&state, series)); }
    void remove(uint32_t series) { orion_series_remove(&state, series); }
    orion_state *remembered() { return &state.state; }
};

struct Writer {
    orion_writer *out;
    template <typename Value>
    void put(const Value &value) {
        static_assert(std::is_trivially_copyable_v<Value>);
        orion_write(out, &value, sizeof value);
    }
};

struct Reader {
    orion_reader *in;
    size_t left() const { return in->left; }
    // False when there are fewer bytes left.
    template <typename Value>
    bool take(Value &value) {
        static_assert(std::is_trivially_copyable_v<Value>);
        return orion_read(in, &value, sizeof value);
    }
};

// A value for each key, in order of keys. A value has `void write(Writer) const` and `bool read(Reader)`.
template <typename Value>
class Map {
    orion_map map;

    static Value *&held(void *place) { return *static_cast<Value **>(place); }
    static void write(const void *place, orion_writer *out) { (*static_cast<Value *const *>(place))->write(Writer{out}); }
    static bool read(void *place, orion_reader *in) {
        held(place) = new Value();
        return held(place)->read(Reader{in});
    }
    static void discard(void *place) { delete held(place); }

public:
    // Of the state-version in plugin.toml.
    explicit Map(uint32_t version) { orion_map_begin(&map, version, {sizeof(Value *), write, read, discard}); }
    const Value *get(std::string_view key) const {
        const void *place = orion_map_get(&map, raw(key));
        return place == nullptr ? nullptr : *static_cast<Value *const *>(place);
    }
    // The value of a key, to change: as its constructor leaves it when it is new. It will be saved.
    Value &put(std::string_view key) {
        Value *&value = held(orion_map_put(&map, raw(key)));
        if (value == nullptr) value = new Value();
        return *value;
    }
    void remove(std::string_view key) { orion_map_remove(&map, raw(key)); }
    // Keys and values by their place in the order of keys. Removing one moves those behind it.
    size_t size() const { return map.count; }
    std::string_view key_at(size_t place) const { return view(orion_map_key_at(&map, place)); }
    const Value &at(size_t place) const { return **static_cast<Value *const *>(orion_map_at(&map, place)); }
    void remove_at(size_t place) { orion_map_remove_at(&map, place); }
    orion_state *remembered() { return &map.state; }
};

// ---- What a plugin says ----

// Facts of a finding or a change.
class Fields {
    std::vector<orion_field> all;

public:
    void add(const char *name, std::string_view value) { all.push_back(orion_text_field(name, raw(value))); }
    void add(const char *name, double value) { all.push_back(orion_number_field(name, value)); }
    void add(const char *name, int64_t value) { all.push_back(orion_integer_field(name, value)); }
    void add(const char *name, bool value) { all.push_back(orion_flag_field(name, value)); }
    const orion_field *data() const { return all.data(); }
    size_t size() const { return all.size(); }
};

// At most one for each series and frame.
struct Finding {
    // None when it is about the answer as a whole.
    std::optional<uint32_t> series;
    // None leaves it to the rule.
    std::optional<Severity> severity;
    int64_t timestamp = 0;
    double value = 0;
    std::optional<double> score;
    // One sentence for a person; when it is empty the rule's annotations speak.
    std::string message;
    Fields fields;

    void emit() const {
        orion_finding finding{};
        finding.has_series = series.has_value();
        finding.series = series.value_or(0);
        finding.has_severity = severity.has_value();
        finding.severity = static_cast<orion_severity>(severity.value_or(Severity::info));
        finding.timestamp = timestamp;
        finding.value = value;
        finding.has_score = score.has_value();
        finding.score = score.value_or(0);
        // A copy of this call: a test looks at it when this finding is gone.
        orion_text own = raw(message);
        finding.message = orion_join(&own, 1);
        finding.fields = fields.data();
        finding.field_count = fields.size();
        orion_emit_finding(&finding);
    }
};

enum class ChangeKind { opened, updated, resolved };

// A step in the life of the incident that belongs to `key`.
struct Change {
    std::string key;
    ChangeKind kind;
    Severity severity;
    int64_t timestamp;
    // Why, in a few words.
    std::string reason;
    // Bus positions of the events that this adds to the incident.
    std::vector<uint64_t> positions = {};
    Fields fields = {};

    void emit() const {
        orion_change change{};
        change.key = raw(key);
        change.kind = static_cast<orion_change_kind>(kind);
        change.severity = static_cast<orion_severity>(severity);
        change.timestamp = timestamp;
        orion_text own = raw(reason);
        change.reason = orion_join(&own, 1);
        change.positions = positions.data();
        change.position_count = positions.size();
        change.fields = fields.data();
        change.field_count = fields.size();
        orion_emit_change(&change);
    }
};

// ---- What a plugin is shown ----

// A series: the same number from frame to frame, as long as the host does not drop it.
struct Series {
    uint32_t id;
    std::optional<std::string_view> label(const char *name) const {
        orion_text value;
        if (!orion_label(id, name, &value)) return std::nullopt;
        return view(value);
    }
};

struct Sample {
    Series series;
    int64_t timestamp;
    double value;

    // A finding about this sample: its series, time and value.
    Finding finding() const { return Finding{series.id, std::nullopt, timestamp, value, std::nullopt, {}, {}}; }
};

// The answer to the rule's query at the instant now(). A range of samples.
class Frame {
    const orion_frame *frame;

public:
    explicit Frame(const orion_frame *frame) : frame(frame) {}
    int64_t now() const { return frame->now; }
    size_t size() const { return frame->count; }

    struct iterator {
        const orion_frame *frame;
        size_t place;
        Sample operator*() const { return {{frame->series[place]}, frame->timestamps[place], frame->values[place]}; }
        iterator &operator++() {
            place++;
            return *this;
        }
        bool operator!=(const iterator &other) const { return place != other.place; }
    };
    iterator begin() const { return {frame, 0}; }
    iterator end() const { return {frame, frame->count}; }
};

enum class Status { occurred, firing, resolved };

struct Event {
    const orion_event *event;
    uint64_t position() const { return event->position; }
    int64_t timestamp() const { return event->timestamp; }
    Severity severity() const { return static_cast<Severity>(event->severity); }
    Status status() const { return static_cast<Status>(event->status); }
    uint64_t fingerprint() const { return event->fingerprint; }
    // NaN when it carries none.
    double value() const { return event->value; }
    // Its group.
    std::string_view key() const { return view(event->key); }
    std::string_view type() const { return view(event->type); }
    std::optional<std::string_view> label(const char *name) const {
        orion_text value;
        if (!orion_event_label(event, name, &value)) return std::nullopt;
        return view(value);
    }
};

// Events in bus order, or none at all: then time has passed. A range of events.
class Events {
    std::span<const orion_event> events;

public:
    Events(const orion_event *events, size_t count) : events(events, count) {}
    size_t size() const { return events.size(); }

    struct iterator {
        const orion_event *event;
        Event operator*() const { return {event}; }
        iterator &operator++() {
            event++;
            return *this;
        }
        bool operator!=(const iterator &other) const { return event != other.event; }
    };
    iterator begin() const { return {events.data()}; }
    iterator end() const { return {events.data() + events.size()}; }
};

}  // namespace orion

#define ORION_PLUGIN(Type)                                                                          \
    static std::optional<Type> orion_plugin;                                                        \
    extern "C" const char *orion_configure(void) { return orion_plugin.emplace().configure({}); }   \
    extern "C" orion_state *orion_remembered(void) { return orion_plugin ? orion_plugin->remembered() : nullptr; }

#define ORION_DETECTOR(Type)                                                  \
    ORION_PLUGIN(Type)                                                        \
    extern "C" void orion_observe(const orion_frame *frame) {                 \
        if (orion_plugin) orion_plugin->observe(orion::Frame(frame));         \
    }

#define ORION_CORRELATOR(Type)                                                                     \
    ORION_PLUGIN(Type)                                                                             \
    extern "C" void orion_correlate(int64_t now, const orion_event *events, size_t count) {        \
        if (orion_plugin) orion_plugin->correlate(now, orion::Events(events, count));              \
    }
