#pragma once

// The Date of answers. RFC 9110, sections 5.6.7 and 6.6.1.

#include <cstdint>
#include <string>

namespace quorate::io {

/// "Sun, 06 Nov 1994 08:49:37 GMT"
[[nodiscard]] std::string http_date(std::int64_t seconds_since_1970);

/// Of now, written anew once a second.
class HttpDate {
 public:
    [[nodiscard]] const std::string& text();

 private:
    std::int64_t seconds_ = -1;
    std::string text_;
};

}  // namespace quorate::io
