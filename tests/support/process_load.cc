#include "tests/support/process_load.h"

#include <algorithm>
#include <iostream>
#include <iterator>
#include <set>

#include <gtest/gtest.h>

namespace quorate::test {

namespace {

constexpr std::chrono::seconds kAttemptTimeout{10};
// After a refusal: time for an election to go on, without thousands of refused attempts.
constexpr std::chrono::milliseconds kBackOff{5};

enum class Fate : std::uint8_t { Acknowledged, Refused, Unknown, Unexpected };

Fate fate_of(const Reply& reply) {
    if (reply.status == 200) return Fate::Acknowledged;
    if (reply.status == 0) return reply.never_sent ? Fate::Refused : Fate::Unknown;
    const nlohmann::json problem = nlohmann::json::parse(reply.body, nullptr, false);
    if (reply.status == 410 && problem.is_object() && problem.value("code", "") == "node_removed")
        return Fate::Refused;
    if (reply.status != 503 && reply.status != 429) return Fate::Unexpected;
    if (!problem.is_object() || !problem.contains("code") || reply.header("retry-after").empty())
        return Fate::Unexpected;
    return problem["code"] == "outcome_unknown" ? Fate::Unknown : Fate::Refused;
}

std::vector<std::string> minus(const std::set<std::string>& some, const std::set<std::string>& others) {
    std::vector<std::string> rest;
    std::ranges::set_difference(some, others, std::back_inserter(rest));
    return rest;
}

std::string value_of(std::string key, std::size_t bytes_min) {
    key.resize(std::max(key.size(), bytes_min), '.');
    return key;
}

std::set<std::string> as_set(const std::vector<std::string>& keys) { return {keys.begin(), keys.end()}; }

}  // namespace

Load::Load(const Cluster& cluster, std::size_t writers, std::size_t value_bytes_min)
    : cluster_(cluster), value_bytes_min_(value_bytes_min) {
    attempts_.value_bytes_min = value_bytes_min;
    for (std::size_t writer = 0; writer < writers; ++writer) {
        threads_.emplace_back([this, writer] { write_until_stopped(writer); });
    }
}

void Load::stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

bool Load::wait_for(std::size_t more) const {
    const std::size_t wanted = acknowledged_ + more;
    return eventually([&] { return acknowledged_ >= wanted; });
}

std::optional<std::chrono::milliseconds> Load::time_to_next_write() {
    {
        const std::scoped_lock lock(mutex_);
        watched_from_ = Clock::now();
        first_acknowledged_.reset();
    }
    std::optional<std::chrono::milliseconds> taken;
    (void)eventually([&] {
        const std::scoped_lock lock(mutex_);
        if (first_acknowledged_) {
            taken =
                std::chrono::duration_cast<std::chrono::milliseconds>(*first_acknowledged_ - watched_from_);
        }
        return taken.has_value();
    });
    return taken;
}

void Load::write_until_stopped(std::size_t writer) {
    HttpClient client(HttpClient::Connections::Fresh, kAttemptTimeout);
    std::size_t node = writer % cluster_.size();
    for (std::size_t number = 0; !stopping_; ++number) {
        const std::string key = "load/" + std::to_string(writer) + "/" + std::to_string(number);
        const Clock::time_point begun = Clock::now();
        const Reply reply = client.put(cluster_.address(node), "/kv/" + key, value_of(key, value_bytes_min_));
        const Fate fate = fate_of(reply);
        {
            const std::scoped_lock lock(mutex_);
            switch (fate) {
                case Fate::Acknowledged:
                    attempts_.acknowledged.push_back(key);
                    acknowledge(begun);
                    break;
                case Fate::Refused: attempts_.refused.push_back(key); break;
                case Fate::Unknown: attempts_.unknown.push_back(key); break;
                case Fate::Unexpected:
                    attempts_.unexpected.push_back(std::to_string(reply.status) + " " + reply.body);
                    break;
            }
        }
        if (fate != Fate::Acknowledged) {
            node = (node + 1) % cluster_.size();
            std::this_thread::sleep_for(kBackOff);
        }
    }
}

void Load::acknowledge(Clock::time_point begun) {
    ++acknowledged_;
    if (!first_acknowledged_ && begun >= watched_from_) first_acknowledged_ = Clock::now();
}

void expect_exactly_the_attempts(const Cluster& cluster, const Attempts& attempts,
                                 std::vector<std::size_t> nodes) {
    if (nodes.empty()) {
        for (std::size_t node = 0; node < cluster.size(); ++node) nodes.push_back(node);
    }
    EXPECT_EQ(attempts.unexpected, std::vector<std::string>());
    const std::set<std::string> acknowledged = as_set(attempts.acknowledged);
    const std::set<std::string> refused = as_set(attempts.refused);
    std::set<std::string> possible = as_set(attempts.unknown);
    possible.insert(acknowledged.begin(), acknowledged.end());

    for (const std::size_t node : nodes) {
        SCOPED_TRACE(cluster.name(node));
        std::set<std::string> present;
        for (const auto& [key, value] : cluster.everything(node)) {
            EXPECT_EQ(value, value_of(key, attempts.value_bytes_min));
            EXPECT_TRUE(present.insert(key).second) << key << " came twice";
        }
        EXPECT_EQ(minus(acknowledged, present), std::vector<std::string>()) << "acknowledged, and lost";
        EXPECT_EQ(minus(present, possible), std::vector<std::string>())
            << "there, though refused or never written";
        HttpClient client;
        const Reply read = client.get(cluster.address(node), "/kv/range?limit=1");
        EXPECT_EQ(read.header("quorate-revision"), std::to_string(present.size()))
            << "something was applied twice";
    }
    std::cout << "acknowledged " << acknowledged.size() << ", refused " << refused.size() << ", unknown "
              << attempts.unknown.size() << "\n";
}

}  // namespace quorate::test
