#pragma once

// Little-endian numbers and counted texts: how everything of this room is written to the log and to peers.

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/check.h"

namespace quorate::server {

/// The number whose bytes in memory are those of `number` in little-endian order, and the other way round.
template <std::unsigned_integral Number>
[[nodiscard]] constexpr Number little_endian(Number number) {
    return std::endian::native == std::endian::little ? number : std::byteswap(number);
}

/// Writes `number` at `out`, where there is room for it.
template <std::unsigned_integral Number>
void store_little_endian(char* out, Number number) {
    const Number ordered = little_endian(number);
    std::memcpy(out, &ordered, sizeof(Number));
}

/// Appends to a string.
class ByteWriter {
 public:
    explicit ByteWriter(std::string& out) : out_(&out) {}

    ByteWriter& u8(std::uint8_t number) { return put(number); }
    ByteWriter& u32(std::uint32_t number) { return put(number); }
    ByteWriter& u64(std::uint64_t number) { return put(number); }
    /// A u32 count of bytes, then the bytes.
    ByteWriter& text(std::string_view bytes) {
        ENGINE_CHECK(bytes.size() <= UINT32_MAX);
        put(static_cast<std::uint32_t>(bytes.size()));
        out_->append(bytes);
        return *this;
    }

 private:
    template <std::unsigned_integral Number>
    ByteWriter& put(Number number) {
        const std::size_t at = out_->size();
        out_->resize_and_overwrite(at + sizeof(Number), [&](char* bytes, std::size_t) {
            store_little_endian(bytes + at, number);
            return at + sizeof(Number);
        });
        return *this;
    }

    std::string* out_;
};

/// Reads foreign bytes. The first read past the end, or fail(), makes it fail for good: every later read
/// gives zero or nothing, so a decoder reads straight on and asks once at the end.
class ByteReader {
 public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    [[nodiscard]] std::uint8_t u8() { return get<std::uint8_t>(); }
    [[nodiscard]] std::uint16_t u16() { return get<std::uint16_t>(); }
    [[nodiscard]] std::uint32_t u32() { return get<std::uint32_t>(); }
    [[nodiscard]] std::uint64_t u64() { return get<std::uint64_t>(); }
    /// A text of at most `bytes_max` bytes, as ByteWriter::text writes it; points into what is read.
    [[nodiscard]] std::string_view text(std::size_t bytes_max) {
        const std::uint32_t size = u32();
        if (size > bytes_max || size > rest_.size()) {
            fail();
            return {};
        }
        const std::string_view read = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return read;
    }
    /// A count of things of at least `bytes_each` bytes: refused when what is left cannot hold so many, so
    /// that nobody reserves memory for a lie.
    [[nodiscard]] std::uint32_t count(std::size_t bytes_each) {
        const std::uint32_t number = u32();
        if (number > rest_.size() / bytes_each) fail();
        return failed_ ? 0 : number;
    }
    /// An enumerator between `first` and `last`.
    template <class Enum>
    [[nodiscard]] Enum enumerator(Enum first, Enum last) {
        const std::uint8_t number = u8();
        if (number < static_cast<std::uint8_t>(first) || number > static_cast<std::uint8_t>(last)) fail();
        return failed_ ? first : static_cast<Enum>(number);
    }
    /// 0 or 1.
    [[nodiscard]] bool boolean() {
        const std::uint8_t number = u8();
        if (number > 1) fail();
        return number == 1;
    }

    void fail() {
        failed_ = true;
        rest_ = {};
    }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::size_t rest_bytes() const { return rest_.size(); }
    /// Nothing failed and nothing is left.
    [[nodiscard]] bool finished() const { return !failed_ && rest_.empty(); }

 private:
    template <std::unsigned_integral Number>
    Number get() {
        if (rest_.size() < sizeof(Number)) {
            fail();
            return 0;
        }
        std::array<char, sizeof(Number)> bytes{};
        rest_.copy(bytes.data(), bytes.size());
        rest_.remove_prefix(bytes.size());
        return little_endian(std::bit_cast<Number>(bytes));
    }

    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace quorate::server
