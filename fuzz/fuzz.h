#pragma once

// What the fuzz targets share. A target is a function of bytes: it aborts when a promise is broken, and
// otherwise returns.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

/// A broken promise: said on standard error, and the end.
#define FUZZ_REQUIRE(condition)                                                          \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                \
        }                                                                                \
    } while (false)

namespace quorate::fuzz {

/// Takes an input apart from its front; zeros when it is used up.
class Bytes {
 public:
    Bytes(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        const std::string_view one = take(1);
        return one.empty() ? 0 : static_cast<std::uint8_t>(one.front());
    }
    std::uint16_t pair() {
        const unsigned low = byte();
        return static_cast<std::uint16_t>(low | (unsigned{byte()} << 8U));
    }
    /// Fewer when there are not as many.
    std::string_view take(std::size_t count) {
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest() { return take(rest_.size()); }

 private:
    std::string_view rest_;
};

/// Pieces of `whole` of 1 to `longest` bytes, drawn from `seed`: one way in which a stream may arrive.
inline std::vector<std::string_view> split(std::string_view whole, std::uint8_t seed, std::size_t longest) {
    std::vector<std::string_view> pieces;
    std::uint32_t state = seed + 1U;
    while (!whole.empty()) {
        state = state * 1664525U + 1013904223U;
        pieces.push_back(whole.substr(0, 1 + (state >> 16U) % longest));
        whole.remove_prefix(pieces.back().size());
    }
    return pieces;
}

}  // namespace quorate::fuzz
