#include "sim/storm.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "sim/dice.h"

namespace quorate::sim {

namespace {

/// Plans with values that no frame, batch or segment of these worlds holds beside others: millionths.
constexpr std::uint64_t kOrdersChance = 300'000;
/// Plans whose members change: millionths.
constexpr std::uint64_t kChangesChance = 400'000;
/// Of those that some node may join, the ones where who does stays a learner.
constexpr std::uint64_t kLearnersChance = 300'000;
constexpr std::uint64_t kOnceChance = 500'000;
/// Plans with reads that rely on clocks: millionths.
constexpr std::uint64_t kLeasesChance = 400'000;
constexpr std::uint64_t kLargeValuesChance = 30'000;
constexpr std::uint64_t kLargeValueBytesMin = 64U << 10;
constexpr std::uint64_t kLargeValueBytesMax = 1U << 20;
/// Ranges that are read in pages: millionths.
constexpr std::uint64_t kPagesChance = 300'000;
/// Between two operations of a client: what is left is to be over soon after the storm.
constexpr std::uint64_t kPauseMsMax = 60'000;

bool is_range(RequestKind kind) { return kind == RequestKind::Range || kind == RequestKind::PastRange; }

class Planner {
 public:
    explicit Planner(std::uint64_t seed) : dice_(Dice::salted(seed, 7)) { plan_.seed = seed; }

    Plan plan() {
        is_busy_ = dice_.chance(400'000);
        is_hunt_ = dice_.chance(400'000);
        draw_shape();
        draw_victims();
        for (std::size_t kind = 0; kind < kFaultKindCount; ++kind) {
            if (dice_.chance(500'000)) add_faults(static_cast<FaultKind>(kind));
        }
        if (is_hunt_ && plan_.shape.nodes > 1) add_hunt();
        draw_operations();
        std::ranges::sort(plan_.faults, {}, [](const FaultLine& line) {
            return std::tuple(line.at_us, line.kind, line.node, line.peer, line.duration_us, line.amount);
        });
        return std::move(plan_);
    }

 private:
    void draw_shape() {
        Shape& s = plan_.shape;
        static constexpr std::array<std::uint32_t, 10> kSizes{0, 5, 3, 50, 5, 25, 2, 6, 1, 3};
        s.nodes = dice_.weighted(kSizes);
        s.clients = is_busy_ ? dice_.between(8, 24) : dice_.between(1, 8);
        s.keys = dice_.flip() ? dice_.between(1, 3) : dice_.between(4, 40);
        s.storm_us = dice_.between(3'000, 20'000) * kMs;
        static constexpr std::array<std::uint64_t, 3> kTicks{10, 10, 25};
        s.tick_ms = kTicks[dice_.pick(3)];
        if (dice_.chance(is_hunt_ ? 700'000 : 300'000)) {
            s.heartbeat_ms = 50;
            s.election_min_ms = 150;
            s.election_max_ms = 300;
        }
        if (dice_.flip()) s.append_entries_max = dice_.skewed(1, 63);
        if (dice_.flip()) s.append_bytes_max = dice_.skewed(1, 4096);
        if (dice_.flip()) s.inflight_appends_max = dice_.skewed(1, 63);
        if (dice_.flip()) s.inflight_bytes_max = s.append_bytes_max + dice_.skewed(0, 16384);
        s.inflight_bytes_max = std::max(s.inflight_bytes_max, s.append_bytes_max);
        if (dice_.chance(200'000)) s.uncommitted_bytes_max = dice_.skewed(256, 16384);
        if (dice_.chance(100'000)) s.operations_max = dice_.skewed(2, 64);
        if (dice_.flip()) s.cache_bytes_max = dice_.skewed(0, 8192);
        if (dice_.flip()) s.history_changes_max = dice_.skewed(0, 64);
        if (dice_.chance(200'000)) s.history_bytes_max = dice_.skewed(0, 8192);
        if (dice_.chance(200'000)) s.history_age_ms_max = dice_.between(1, 2000);
        if (dice_.chance(750'000)) s.snapshot_entries_max = dice_.skewed(1, 300);
        if (dice_.chance(300'000)) s.snapshot_bytes_max = dice_.skewed(256, 65536);
        if (dice_.chance(750'000)) s.snapshot_chunk_bytes = dice_.skewed(1024, 65536);
        if (dice_.chance(300'000)) s.apply_bytes_max = dice_.skewed(1, 2048);
        if (dice_.chance(300'000)) s.operation_timeout_ms = dice_.between(200, 3000);
        if (is_busy_ || dice_.chance(300'000))
            s.client_timeout_ms = dice_.between(100, is_busy_ ? 800 : 3000);
        s.segment_bytes = dice_.flip() ? 8192 * dice_.between(1, 4) : 65536;
        if (dice_.flip()) s.latency_us_max = s.latency_us_min + dice_.skewed(0, 50 * kMs);
        if (dice_.flip()) s.sync_us_max = s.sync_us_min + dice_.skewed(0, (is_hunt_ ? 300 : 50) * kMs);
        const std::vector<std::uint64_t> order = nodes_in_any_order();
        const std::uint64_t core = dice_.between(s.nodes / 2 + 1, s.nodes);
        for (std::uint64_t i = 0; i < core; ++i) s.core_mask |= std::uint64_t{1} << order[i];
        s.outsiders = dice_.pick(4);
        s.recovers = dice_.chance(850'000) ? 1 : 0;
        s.cold_start = dice_.chance(200'000) ? 1 : 0;
        // By dice of its own, so that the other worlds stay as they were.
        Dice pace = Dice::salted(plan_.seed, 9);
        if (pace.chance(250'000)) s.catch_up_bytes_per_tick_max = pace.skewed(2048, 32768);
    }

    // Less than half of the nodes may lose what they had promised.
    void draw_victims() {
        victims_ = nodes_in_any_order();
        victims_.resize((plan_.shape.nodes - 1) / 2);
    }

    [[nodiscard]] std::vector<std::uint64_t> nodes_in_any_order() {
        std::vector<std::uint64_t> order(plan_.shape.nodes);
        for (std::uint64_t i = 0; i < order.size(); ++i) order[i] = i;
        dice_.shuffle(order);
        return order;
    }

    [[nodiscard]] std::uint64_t any_node() { return dice_.pick(plan_.shape.nodes); }
    [[nodiscard]] std::uint64_t other_than(std::uint64_t node) {
        return (node + dice_.between(1, plan_.shape.nodes - 1)) % plan_.shape.nodes;
    }
    [[nodiscard]] std::uint64_t any_moment() { return dice_.between(0, plan_.shape.storm_us / kMs) * kMs; }
    [[nodiscard]] std::uint64_t ms(std::uint64_t min, std::uint64_t max) {
        return dice_.skewed(min, max) * kMs;
    }

    // Given in braces: there, unlike in a call's parentheses, every compiler draws in the order of writing.
    struct Drawn {
        FaultKind kind;
        std::uint64_t node;
        std::uint64_t peer;
        std::uint64_t duration_us;
        std::uint64_t amount;
    };
    void add(const Drawn& drawn) {
        plan_.faults.push_back(
            {any_moment(), drawn.kind, drawn.node, drawn.peer, drawn.duration_us, drawn.amount});
    }

    void add_faults(FaultKind kind) {
        const std::uint64_t count = dice_.skewed(1, 12);
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::size_t before = plan_.faults.size();
            add_fault(kind);
            if (plan_.faults.size() == before || !may_befall_the_leader(kind) || !dice_.chance(300'000))
                continue;
            plan_.faults.back().node = kTheLeader;
            if (kind == FaultKind::Partition) plan_.faults.back().amount = 0;
        }
    }

    void add_fault(FaultKind kind) {
        const std::uint64_t nodes = plan_.shape.nodes;
        const std::uint64_t node = any_node();
        const bool has_links = nodes > 1;
        switch (kind) {
            case FaultKind::Loss:
            case FaultKind::Duplicate: return add({kind, 0, 0, ms(100, 8000), dice_.skewed(1000, 500'000)});
            case FaultKind::Corrupt: return add({kind, 0, 0, ms(100, 4000), dice_.skewed(1000, 50'000)});
            case FaultKind::Reorder: return add({kind, 0, 0, ms(100, 8000), ms(1, 300)});
            case FaultKind::Slow:
                if (has_links) add({kind, node, other_than(node), ms(100, 8000), ms(1, 2000)});
                return;
            case FaultKind::Partition: {
                if (!has_links) return;
                const std::uint64_t mask = dice_.between(1, (std::uint64_t{1} << nodes) - 2);
                return add({kind, 0, 0, ms(100, 8000), mask});
            }
            case FaultKind::OneWay:
                if (has_links) add({kind, node, other_than(node), ms(100, 8000), 0});
                return;
            case FaultKind::Clog: return add_swizzle();
            case FaultKind::Disconnect:
                if (has_links) add({kind, node, other_than(node), 0, 0});
                return;
            case FaultKind::Kill:
            case FaultKind::PowerCut:
                add({kind, node, 0, ms(0, 4000), dice_.between(0, 2)});
                return add_to_others(100'000);
            case FaultKind::PowerCutAtDisk:
                add({kind, node, 0, 0, dice_.skewed(0, 40)});
                // Before its first start it has to create its files.
                if (dice_.chance(100'000)) plan_.faults.back().at_us = 0;
                return;
            case FaultKind::Pause: return add({kind, node, 0, ms(10, 5000), 0});
            case FaultKind::Stop: return add({kind, node, 0, ms(500, 9000), 0});
            case FaultKind::ClockJump: return add({kind, node, 0, 0, dice_.skewed(1, 10'000)});
            case FaultKind::ClockDrift:
                return add({kind, node, 0, ms(500, 20'000), dice_.between(300'000, 3'000'000)});
            case FaultKind::DiskSlow:
                // Slow, or as good as hung.
                return add({kind, node, 0, ms(100, 8000),
                            dice_.chance(700'000) ? dice_.skewed(2, 500) : dice_.between(1000, 20'000)});
            case FaultKind::SyncFails: return add({kind, node, 0, 0, dice_.skewed(0, 40)});
            case FaultKind::DiskFull: return add_full_disks(node);
            case FaultKind::ReadFails:
                if (dice_.flip()) return add({kind, node, 0, 0, 1});
                add({kind, node, 0, ms(500, 4000), 0});
                plan_.faults.push_back(
                    {plan_.faults.back().at_us + kMs, FaultKind::Kill, node, 0, ms(0, 500), 0});
                return;
            case FaultKind::Rot: return add_rot();
            case FaultKind::DiskLost:
                if (!victims_.empty()) add({kind, victims_[dice_.pick(victims_.size())], 0, 0, 0});
                return;
        }
    }

    void add_full_disks(std::uint64_t node) {
        add({FaultKind::DiskFull, node, 0, ms(500, 8000), dice_.skewed(0, 40'000)});
        add_to_others(400'000);
    }

    // The last line befalls all other nodes as well, at the same moment.
    void add_to_others(std::uint64_t millionths) {
        if (!dice_.chance(millionths)) return;
        const FaultLine first = plan_.faults.back();
        for (std::uint64_t other = 0; other < plan_.shape.nodes; ++other) {
            if (other == first.node) continue;
            plan_.faults.push_back(first);
            plan_.faults.back().node = other;
        }
    }

    // Damage at another place of every node may end the cluster; it must not cost an entry in silence.
    void add_rot() {
        if (dice_.chance(100'000)) {
            for (std::uint64_t each = 0; each < plan_.shape.nodes; ++each)
                add({FaultKind::Rot, each, 0, ms(0, 2000), dice_.bits()});
        } else if (!victims_.empty()) {
            const std::uint64_t victim = victims_[dice_.pick(victims_.size())];
            if (dice_.chance(400'000)) return add_doubt(victim);
            add({FaultKind::Rot, victim, 0, ms(0, 2000), dice_.bits()});
        }
    }

    // The last write of the victim rots, while another node has not heard of it yet, and soon nobody hears of
    // the leader: what the victim had acknowledged must not be outvoted.
    void add_doubt(std::uint64_t victim) {
        const std::uint64_t election_ms = plan_.shape.election_max_ms;
        const std::uint64_t at_us = any_moment();
        const std::uint64_t behind = other_than(victim);
        const std::uint64_t lag_us = ms(5, election_ms);
        const std::uint64_t away_us = dice_.between(2 * election_ms, 8 * election_ms) * kMs;
        plan_.faults.push_back({at_us - std::min(at_us, lag_us), FaultKind::Partition, 0, 0,
                                lag_us + ms(0, 200), std::uint64_t{1} << behind});
        plan_.faults.push_back({at_us, FaultKind::Rot, victim, 1, ms(0, 300), dice_.bits()});
        const FaultKind kind = dice_.flip() ? FaultKind::Partition : FaultKind::Pause;
        plan_.faults.push_back({at_us + ms(0, 100), kind, kTheLeader, 0, away_us, 0});
        if (dice_.chance(300'000))
            plan_.faults.push_back(
                {at_us + kMs, FaultKind::PowerCutAtDisk, victim, 0, 0, dice_.between(0, 12)});
    }

    // Whoever leads is taken out, again and again, for about as long as the others need to elect another:
    // logs grow apart, and those that were deposed do not know it yet.
    void add_hunt() {
        static constexpr std::array<FaultKind, 10> kKinds{
            FaultKind::Partition, FaultKind::Partition, FaultKind::Partition, FaultKind::Pause,
            FaultKind::Kill,      FaultKind::Kill,      FaultKind::PowerCut,  FaultKind::DiskSlow,
            FaultKind::Clog,      FaultKind::OneWay};
        const std::uint64_t election_ms = plan_.shape.election_max_ms;
        std::uint64_t at_us = dice_.between(election_ms, 3 * election_ms) * kMs;
        while (at_us < plan_.shape.storm_us) {
            const FaultKind kind = kKinds[dice_.pick(kKinds.size())];
            const std::uint64_t duration_us = dice_.between(election_ms / 2, 4 * election_ms) * kMs;
            std::uint64_t amount = 0;
            if (kind == FaultKind::Partition) amount = dice_.between(0, (plan_.shape.nodes - 1) / 2);
            if (kind == FaultKind::PowerCut) amount = 1;
            if (kind == FaultKind::DiskSlow) amount = dice_.between(50, 2000);
            const bool is_of_links = kind == FaultKind::Clog || kind == FaultKind::OneWay;
            for (std::uint64_t peer = 0; peer < (is_of_links ? plan_.shape.nodes : 1); ++peer)
                plan_.faults.push_back({at_us, kind, kTheLeader, peer, duration_us, amount});
            at_us += dice_.between(0, duration_us / kMs) * kMs +
                     dice_.between(election_ms / 2, 3 * election_ms) * kMs;
        }
    }

    // Links stop one by one, and come back in another order.
    void add_swizzle() {
        if (plan_.shape.nodes < 2) return;
        const std::uint64_t node = any_node();
        std::uint64_t at_us = any_moment();
        const std::uint64_t end_us = at_us + ms(100, 5000);
        for (std::uint64_t peer = 0; peer < plan_.shape.nodes; ++peer) {
            if (peer == node || dice_.chance(300'000)) continue;
            const bool outward = dice_.flip();
            plan_.faults.push_back({at_us, FaultKind::Clog, outward ? node : peer, outward ? peer : node,
                                    end_us - at_us + ms(0, 1000), 0});
            at_us = std::min(end_us, at_us + ms(0, 500));
        }
    }

    void draw_operations() {
        const Shape& s = plan_.shape;
        std::array<std::uint32_t, static_cast<std::size_t>(RequestKind::LeaseGet)> weights{};
        for (std::uint32_t& weight : weights) weight = static_cast<std::uint32_t>(dice_.skewed(0, 15));
        weights[static_cast<std::size_t>(RequestKind::Transfer)] /= 4;
        weights[static_cast<std::size_t>(RequestKind::Put)] += 5;
        weights[static_cast<std::size_t>(RequestKind::Get)] += 5;
        const std::uint64_t bytes_max = dice_.flip() ? 16 : 4096;
        const bool is_hot = dice_.flip();
        const std::uint64_t count = is_busy_ ? dice_.between(100, 1000) : dice_.skewed(4, 300);
        // Mostly there is something to do until the storm is over; else it comes in a burst.
        const std::uint64_t pause_ms_spread = 2 * s.storm_us / kMs * s.clients / count;
        const std::uint64_t pause_ms = dice_.chance(700'000) ? pause_ms_spread : dice_.skewed(1, 2000);
        const std::uint64_t pause_ms_max = std::min(pause_ms, kPauseMsMax);
        for (std::uint64_t i = 0; i < count; ++i) {
            OperationLine line;
            line.client = dice_.pick(s.clients);
            line.kind = static_cast<RequestKind>(dice_.weighted(weights));
            line.key = is_hot && dice_.flip() ? 0 : dice_.pick(s.keys);
            if (line.kind == RequestKind::Transfer) line.key = std::min(s.keys - 1, dice_.pick(s.nodes + 1));
            line.last_key = std::min(s.keys - 1, line.key + dice_.between(0, 8));
            line.node = dice_.pick(s.nodes);
            line.bytes = dice_.skewed(0, bytes_max);
            line.pause_us = dice_.between(0, pause_ms_max * kMs);
            if (is_range(line.kind) && dice_.chance(kPagesChance)) line.limit = dice_.between(1, 4);
            plan_.operations.push_back(line);
        }
        // Drawn last, so that all other plans stay as they are.
        if (dice_.chance(kLargeValuesChance)) add_large_values();
        if (dice_.chance(kOrdersChance)) add_orders();
        if (s.nodes > 1 && dice_.chance(kChangesChance)) add_changes();
        if (dice_.chance(kOnceChance)) add_keys();
        if (dice_.chance(kLeasesChance)) add_leases();
        if (plan_.first_members() < s.nodes && dice_.chance(kLearnersChance)) add_learners();
    }

    // Writes that happen once. Without a session that holds for as long as answers are known at least, as the
    // leader's clock tells it: where clocks jump nobody relies on it.
    void add_keys() {
        Shape& s = plan_.shape;
        const bool has_sound_clocks = std::ranges::none_of(plan_.faults, [](const FaultLine& line) {
            return line.kind == FaultKind::ClockJump || line.kind == FaultKind::ClockDrift;
        });
        const bool all_in_sessions = !has_sound_clocks || dice_.flip();
        if (dice_.flip()) s.answers_max = dice_.skewed(1, 64);
        s.answers_age_ms_max = all_in_sessions ? dice_.skewed(50, 600'000) : kBoundless;
        const std::uint64_t chance = dice_.between(50'000, 1'000'000);
        for (OperationLine& line : plan_.operations) {
            const bool is_in_session = all_in_sessions || dice_.flip();
            if (dice_.chance(chance))
                line.once = static_cast<std::uint64_t>(is_in_session ? Sending::InSession : Sending::Once);
        }
    }

    // Some clients rely on clocks, and so no clock drifts further than the nodes are told; most run as wrong
    // as they may all the time, so that a lease which is a little too long shows.
    void add_leases() {
        Shape& s = plan_.shape;
        static constexpr std::array<std::uint64_t, 4> kDriftPpm{200, 20'000, 150'000, 400'000};
        const std::uint64_t ppm = s.clock_drift_ppm = kDriftPpm[dice_.pick(kDriftPpm.size())];
        for (FaultLine& line : plan_.faults) {
            if (line.kind == FaultKind::ClockDrift)
                line.amount = dice_.between(1'000'000 - ppm, 1'000'000 + ppm);
        }
        const bool is_hunt = s.nodes > 1 && dice_.chance(600'000);
        for (std::uint64_t node = 0; node < s.nodes; ++node) {
            if (!is_hunt && dice_.chance(300'000)) continue;
            const std::uint64_t rate = !is_hunt && dice_.flip() ? 1'000'000 - ppm : 1'000'000 + ppm;
            plan_.faults.push_back({0, FaultKind::ClockDrift, node, 0, s.storm_us, rate});
        }
        if (is_hunt) add_lease_hunt();
        for (OperationLine& line : plan_.operations) {
            const bool is_get = line.kind == RequestKind::Get || line.kind == RequestKind::StaleGet;
            if (is_get && dice_.chance(600'000)) line.kind = RequestKind::LeaseGet;
        }
    }

    // Members come and go. What a disk loses beside that may leave too few to go on with, at any time: those
    // faults belong to plans whose members stay.
    void add_changes() {
        Shape& s = plan_.shape;
        s.first = dice_.between(1, s.nodes);
        s.core_mask = 0;
        s.outsiders = static_cast<std::uint64_t>(Outsiders::Down);
        std::erase_if(plan_.faults, [](const FaultLine& line) {
            return line.kind == FaultKind::Rot || line.kind == FaultKind::DiskLost;
        });
        static constexpr std::array<std::uint32_t, 3> kKinds{5, 3, 2};
        const std::uint64_t count = dice_.between(1, 12);
        for (std::uint64_t i = 0; i < count; ++i) {
            OperationLine& line = plan_.operations[dice_.pick(plan_.operations.size())];
            line.kind = static_cast<RequestKind>(static_cast<std::uint64_t>(RequestKind::Join) +
                                                 dice_.weighted(kKinds));
            line.bytes = dice_.pick(s.nodes);
            line.limit = dice_.pick(s.nodes);
        }
    }

    // Who joins stays a learner, and is now and then alone with the leader, for longer than the others need
    // to elect another: what learners answer must not confirm anything.
    void add_learners() {
        const Shape& s = plan_.shape;
        for (OperationLine& line : plan_.operations) {
            if (line.kind == RequestKind::Join) line.limit = 0;
        }
        for (std::uint64_t node = s.first; node < std::min<std::uint64_t>(s.nodes, s.first + 3); ++node) {
            OperationLine& line = plan_.operations[node - s.first];
            line.kind = RequestKind::Join;
            line.bytes = node;
            line.limit = 0;
        }
        const std::uint64_t election_ms = s.election_max_ms;
        std::uint64_t at_us = dice_.between(2 * election_ms, 6 * election_ms) * kMs;
        while (at_us < s.storm_us) {
            const std::uint64_t lasts_us = dice_.between(2 * election_ms, 8 * election_ms) * kMs;
            const std::uint64_t others = dice_.between(1, s.nodes - s.first);
            plan_.faults.push_back({at_us, FaultKind::Partition, kTheLeader, 0, lasts_us, others});
            at_us += lasts_us + dice_.between(election_ms, 6 * election_ms) * kMs;
        }
    }

    // Whoever leads gets a slow clock, and is cut off or stopped a little later, while the others' clocks run
    // fast. Before that some other has not heard it for long and would lead, and who hears both may forget
    // it.
    void add_lease_hunt() {
        static constexpr std::array<FaultKind, 3> kKinds{FaultKind::Partition, FaultKind::Partition,
                                                         FaultKind::Pause};
        const Shape& s = plan_.shape;
        std::uint64_t at_us = dice_.between(s.election_max_ms, 2 * s.election_max_ms) * kMs;
        while (at_us < s.storm_us) {
            const std::uint64_t election_us = s.election_max_ms * kMs;
            const std::uint64_t lasts_us = dice_.between(election_us, 3 * election_us);
            const std::uint64_t lead_us = dice_.between(0, 2 * election_us);
            plan_.faults.push_back({at_us, FaultKind::ClockDrift, kTheLeader, 0, lead_us + lasts_us,
                                    1'000'000 - s.clock_drift_ppm});
            if (dice_.flip())
                plan_.faults.push_back(
                    {at_us, FaultKind::OneWay, kTheLeader, any_node(), lead_us + lasts_us, 0});
            at_us += lead_us;
            plan_.faults.push_back({at_us, kKinds[dice_.pick(kKinds.size())], kTheLeader, 0, lasts_us, 0});
            if (dice_.flip()) {
                const FaultKind ends = dice_.flip() ? FaultKind::Kill : FaultKind::PowerCut;
                plan_.faults.push_back({at_us + ms(0, 100), ends, any_node(), 0, ms(0, 100), 0});
            }
            at_us += lasts_us + dice_.between(election_us / 2, 2 * election_us);
        }
    }

    // To snapshot, and for backups.
    void add_orders() {
        const std::uint64_t count = dice_.between(1, 6);
        for (std::uint64_t i = 0; i < count; ++i) {
            OperationLine& line = plan_.operations[dice_.pick(plan_.operations.size())];
            line.kind = dice_.flip() ? RequestKind::Snapshot : RequestKind::Backup;
            line.bytes = 0;
        }
    }

    // Few: they are costly.
    void add_large_values() {
        const std::uint64_t count = dice_.between(1, 4);
        for (std::uint64_t i = 0; i < count; ++i) {
            OperationLine& line = plan_.operations[dice_.pick(plan_.operations.size())];
            const std::uint64_t bytes = dice_.between(kLargeValueBytesMin, kLargeValueBytesMax);
            if (line.kind == RequestKind::Put || line.kind == RequestKind::PutIf) line.bytes = bytes;
        }
    }

    Dice dice_;
    Plan plan_;
    bool is_busy_ = false;  ///< many clients that do not wait long
    bool is_hunt_ = false;
    std::vector<std::uint64_t> victims_;
};

}  // namespace

Plan make_plan(std::uint64_t seed) { return Planner(seed).plan(); }

Plan make_fair_weather(std::uint64_t nodes, std::uint64_t seconds, std::uint64_t seed) {
    Plan plan;
    Dice dice = Dice::salted(seed, 8);
    plan.seed = seed;
    plan.shape.nodes = nodes;
    plan.shape.tick_ms = plan.shape.heartbeat_ms / 4;  // as the server counts
    plan.shape.keys = 16;
    plan.shape.storm_us = seconds * 1'000'000;
    // Each client does something about five times a second.
    for (std::uint64_t i = 0; i < plan.shape.clients * seconds * 5; ++i) {
        OperationLine line;
        line.client = i % plan.shape.clients;
        line.kind = dice.flip() ? RequestKind::Put : RequestKind::Get;
        line.key = dice.pick(plan.shape.keys);
        line.node = dice.pick(nodes);
        line.bytes = 64;
        line.pause_us = 200'000;
        plan.operations.push_back(line);
    }
    return plan;
}

}  // namespace quorate::sim
