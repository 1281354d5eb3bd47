#include "sim/configuration_set.h"

#include <algorithm>
#include <string_view>

#include "engine/check.h"
#include "server/hash.h"

namespace quorate::sim {

namespace {

constexpr std::size_t kSlotsMin = 1024;

std::uint64_t hash_of(std::span<const std::uint64_t> words) {
    return server::hash64({reinterpret_cast<const char*>(words.data()), words.size_bytes()});
}

}  // namespace

ConfigurationSet::ConfigurationSet(std::size_t count_max, std::size_t bytes_max)
    : count_max_(std::min<std::size_t>(count_max, UINT32_MAX - 1)),
      words_max_(bytes_max / sizeof(std::uint64_t)),
      slots_(kSlotsMin) {}

ConfigurationSet::Added ConfigurationSet::add(std::span<const std::uint64_t> words) {
    const Entry entry{hash_of(words), words_.size(), words.size()};
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = entry.hash & mask;
    while (slots_[at] != 0) {
        const Entry& other = entries_[slots_[at] - 1];
        if (other.hash == entry.hash && holds(other, words)) return Added::Known;
        at = (at + 1) & mask;
    }
    if (entries_.size() == count_max_ || words.size() > words_max_ - words_.size()) return Added::NoRoom;
    words_.insert(words_.end(), words.begin(), words.end());
    entries_.push_back(entry);
    slots_[at] = static_cast<std::uint32_t>(entries_.size());
    if (entries_.size() >= slots_.size() / 4 * 3) grow();
    return Added::New;
}

bool ConfigurationSet::holds(const Entry& entry, std::span<const std::uint64_t> words) const {
    return std::ranges::equal(std::span(words_).subspan(entry.begin, entry.count), words);
}

void ConfigurationSet::grow() {
    slots_.assign(slots_.size() * 2, 0);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        std::size_t at = entries_[i].hash & mask;
        while (slots_[at] != 0) at = (at + 1) & mask;
        slots_[at] = static_cast<std::uint32_t>(i + 1);
    }
    ENGINE_CHECK(entries_.size() < slots_.size());
}

}  // namespace quorate::sim
