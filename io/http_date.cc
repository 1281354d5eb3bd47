#include "io/http_date.h"

#include <array>
#include <ctime>

#include <fmt/format.h>
#include <uv.h>

namespace quorate::io {

std::string http_date(std::int64_t seconds_since_1970) {
    constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = seconds_since_1970;
    std::tm at{};
    ::gmtime_r(&time, &at);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                       kDays.at(static_cast<std::size_t>(at.tm_wday)), at.tm_mday,
                       kMonths.at(static_cast<std::size_t>(at.tm_mon)), at.tm_year + 1900, at.tm_hour,
                       at.tm_min, at.tm_sec);
}

const std::string& HttpDate::text() {
    uv_timeval64_t now{};
    uv_gettimeofday(&now);
    if (now.tv_sec != seconds_) {
        seconds_ = now.tv_sec;
        text_ = http_date(seconds_);
    }
    return text_;
}

}  // namespace quorate::io
