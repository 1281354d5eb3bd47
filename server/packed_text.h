#pragma once

// A text that stays as it is, in memory of its own size.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace quorate::server {

/// Of a million keys and values, a std::string each keeps room to grow and a byte for the end: 256 bytes take
/// 320, and the object itself is twice as large. Also converts to what it holds.
class PackedText {
 public:
    PackedText() = default;
    template <std::convertible_to<std::string_view> Text>
    // NOLINTNEXTLINE(google-explicit-constructor): a text is what it is made of
    PackedText(const Text& text) : PackedText(std::string_view(text), 0) {}
    PackedText(const PackedText& other) : PackedText(other.view(), 0) {}
    PackedText(PackedText&& other) noexcept
        : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
    PackedText& operator=(const PackedText& other) { return *this = PackedText(other); }
    PackedText& operator=(PackedText&& other) noexcept {
        bytes_ = std::move(other.bytes_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }
    ~PackedText() = default;

    [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
    // NOLINTNEXTLINE(google-explicit-constructor): for all that reads texts
    operator std::string_view() const { return view(); }
    [[nodiscard]] std::size_t size() const { return size_; }

    bool operator==(const PackedText& other) const { return view() == other.view(); }

 private:
    PackedText(std::string_view text, int) : size_(text.size()) {
        if (text.empty()) return;
        bytes_ = std::make_unique_for_overwrite<char[]>(size_);
        std::ranges::copy(text, bytes_.get());
    }

    std::unique_ptr<char[]> bytes_;
    std::size_t size_ = 0;
};

/// Orders keys by their bytes, whatever holds them.
struct ByBytes {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name
    bool operator()(std::string_view one, std::string_view other) const { return one < other; }
};

}  // namespace quorate::server
