// Many events of one group within a short time.
#include "orion.hpp"

#include <algorithm>

namespace {

constexpr uint32_t state_version = 1;
constexpr int64_t second_millis = 1000;
constexpr int64_t minute_millis = 60 * second_millis;

struct Kept {
    int64_t timestamp;
    uint64_t position;
};

// One group of events.
struct Group {
    bool open = false;
    orion::Severity severity = orion::Severity::info;
    int64_t last = INT64_MIN;
    // Events that may still become an incident; none while it is open.
    std::vector<Kept> kept;

    void write(orion::Writer out) const {
        out.put(open);
        out.put(severity);
        out.put(last);
        for (const Kept &one : kept) out.put(one);
    }

    bool read(orion::Reader in) {
        if (!in.take(open) || !in.take(severity) || !in.take(last)) return false;
        while (in.left() > 0) {
            Kept one;
            if (!in.take(one)) return false;
            kept.push_back(one);
        }
        return true;
    }
};

std::string seconds(int64_t millis) { return std::to_string(millis / second_millis) + " s"; }

class Burst {
    int64_t count = 0, window = 0, quiet = 0;
    orion::Map<Group> groups{state_version};

public:
    const char *configure(const orion::Parameters &given) {
        count = given.integer("count", 3);
        window = given.integer("window", 5 * minute_millis);
        quiet = given.integer("quiet", 10 * minute_millis);
        return nullptr;
    }

    orion_state *remembered() { return groups.remembered(); }

    void correlate(int64_t now, orion::Events events) {
        for (const orion::Event &event : events) {
            if (event.status() != orion::Status::resolved) take_in(event);
        }
        time_passes(now);
    }

private:
    void take_in(const orion::Event &event) {
        int64_t time = event.timestamp();
        const Group *before = groups.get(event.key());
        if (before != nullptr && before->open && time - before->last >= quiet) {
            resolve(event.key(), *before);
            groups.remove(event.key());
        }
        Group &group = groups.put(event.key());
        if (!group.open) {
            std::erase_if(group.kept, [&](const Kept &one) { return one.timestamp <= time - window; });
            if (group.kept.empty()) group.severity = orion::Severity::info;
            group.kept.push_back({time, event.position()});
        }
        group.severity = std::max(group.severity, event.severity());
        group.last = std::max(group.last, time);
        if (group.open) update(event, group);
        else if (static_cast<int64_t>(group.kept.size()) >= count) open(event, group);
    }

    void open(const orion::Event &event, Group &group) {
        int64_t events = static_cast<int64_t>(group.kept.size());
        orion::Change change{std::string(event.key()), orion::ChangeKind::opened, group.severity, event.timestamp(),
                             std::to_string(events) + " events within " + seconds(window)};
        for (const Kept &one : group.kept) change.positions.push_back(one.position);
        change.fields.add("events", events);
        change.emit();
        group.open = true;
        group.kept.clear();
    }

    static void update(const orion::Event &event, const Group &group) {
        orion::Change change{std::string(event.key()), orion::ChangeKind::updated, group.severity, event.timestamp(),
                             "one more event"};
        change.positions.push_back(event.position());
        change.emit();
    }

    void resolve(std::string_view key, const Group &group) const {
        orion::Change change{std::string(key), orion::ChangeKind::resolved, group.severity, group.last + quiet,
                             "quiet for " + seconds(quiet)};
        change.emit();
    }

    // Ends what has been quiet for long enough, and forgets what came to nothing.
    void time_passes(int64_t now) {
        for (size_t place = 0; place < groups.size();) {
            const Group &group = groups.at(place);
            bool is_over = group.open ? now - group.last >= quiet : group.last <= now - window;
            if (is_over && group.open) resolve(groups.key_at(place), group);
            if (is_over) groups.remove_at(place);
            else place++;
        }
    }
};

}  // namespace

ORION_CORRELATOR(Burst)
