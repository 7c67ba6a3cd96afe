// A series that is far above its own running mean.
#include "orion.hpp"

namespace {

constexpr uint32_t state_version = 1;

// What is known of a series. Three members of eight bytes: there are no gaps between them, so they are saved as they are.
struct Known {
    double mean;
    int64_t samples;
    int64_t last;
};

class Surge {
    double factor = 0, weight = 0;
    int64_t warmup = 0;
    orion::SeriesState<Known> known{state_version};

public:
    const char *configure(const orion::Parameters &given) {
        factor = given.number("factor", 3.0);
        warmup = given.integer("warmup", 10);
        weight = given.number("weight", 0.1);
        return nullptr;
    }

    orion_state *remembered() { return known.remembered(); }

    void observe(const orion::Frame &frame) {
        for (const orion::Sample &sample : frame) {
            if (!std::isfinite(sample.value)) continue;
            const Known *before = known.get(sample.series.id);
            if (before != nullptr) judge(sample, *before);
            if (before == nullptr || sample.timestamp > before->last) teach(sample, before == nullptr);
        }
    }

private:
    void judge(const orion::Sample &sample, const Known &before) const {
        bool is_far_above = before.mean > 0 && sample.value > factor * before.mean;
        if (before.samples < warmup || !is_far_above) return;
        orion::Finding finding = sample.finding();
        if (sample.value > 2 * factor * before.mean) finding.severity = orion::Severity::critical;
        finding.score = sample.value / before.mean;
        finding.message = std::string(name_of(sample.series)) + " is far above its mean";
        finding.fields.add("mean", before.mean);
        finding.fields.add("samples", before.samples);
        finding.emit();
    }

    static std::string_view name_of(orion::Series series) {
        if (auto instance = series.label("instance")) return *instance;
        return series.label("job").value_or("a series");
    }

    // Only from a sample newer than the last: an edited rule is shown an instant it has seen.
    void teach(const orion::Sample &sample, bool is_new) {
        Known &now = known.put(sample.series.id);
        now.mean = is_new ? sample.value : now.mean + weight * (sample.value - now.mean);
        now.samples += 1;
        now.last = sample.timestamp;
    }
};

}  // namespace

ORION_DETECTOR(Surge)
