#pragma once

// A set of short sequences of words, bounded. Nothing depends on the order that its hashes give.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace quorate::sim {

class ConfigurationSet {
 public:
    enum class Added : std::uint8_t { New, Known, NoRoom };

    /// Holds at most so many sequences and so many bytes of words.
    ConfigurationSet(std::size_t count_max, std::size_t bytes_max);

    [[nodiscard]] Added add(std::span<const std::uint64_t> words);
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
    struct Entry {
        std::uint64_t hash;
        std::size_t begin;
        std::size_t count;
    };

    [[nodiscard]] bool holds(const Entry& entry, std::span<const std::uint64_t> words) const;
    void grow();

    std::size_t count_max_;
    std::size_t words_max_;
    std::vector<std::uint64_t> words_;
    std::vector<Entry> entries_;
    // Open addressing: 0 is free, else the entry's index plus one. A power of two, at most three quarters
    // full.
    std::vector<std::uint32_t> slots_;
};

}  // namespace quorate::sim
