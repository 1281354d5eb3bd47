#include "server/backup_check.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace quorate::server {

namespace {

using Json = nlohmann::json;

std::uint64_t number_or_0(const Json& json, const char* name) {
    const auto found = json.is_object() ? json.find(name) : json.end();
    return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text_or_none(const Json& json, const char* name) {
    const auto found = json.is_object() ? json.find(name) : json.end();
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

void BackupCheck::pass(std::string_view bytes) {
    hash_.add(bytes);
    if (lines_ == 0) first_ += bytes.substr(0, bytes.find('\n'));
    lines_ += static_cast<std::uint64_t>(std::ranges::count(bytes, '\n'));
}

void BackupCheck::add(std::string_view bytes) {
    if (bytes.empty()) return;
    if (last_.ends_with('\n')) {
        pass(last_);
        last_.clear();
    }
    // An LF at the very end belongs to the line that it ends.
    const std::size_t lf = bytes.substr(0, bytes.size() - 1).rfind('\n');
    if (lf != std::string_view::npos) {
        pass(last_);
        pass(bytes.substr(0, lf + 1));
        last_.clear();
        bytes.remove_prefix(lf + 1);
    }
    last_ += bytes;
}

std::expected<BackupHead, std::string> BackupCheck::finish() const {
    const Json head = Json::parse(first_, nullptr, false);
    const Json end = Json::parse(last_, nullptr, false);
    const auto complete = end.is_object() ? end.find("complete") : end.end();
    if (!last_.ends_with('\n') || complete == end.end() || *complete != true)
        return std::unexpected("its last line does not say that it is complete");
    if (number_or_0(head, "quorate_backup") == 0)
        return std::unexpected("its first line is not that of a backup");
    BackupHead is_of{text_or_none(head, "cluster"), number_or_0(head, "revision"), number_or_0(head, "keys")};
    if (lines_ != is_of.keys + 1 || number_or_0(end, "keys") != is_of.keys)
        return std::unexpected(fmt::format("it should have {} keys, and has {}", is_of.keys, lines_ - 1));
    if (text_or_none(end, "xxh64") != fmt::format("{:016x}", hash_.value()))
        return std::unexpected("its bytes are not those that its last line was made for");
    return is_of;
}

}  // namespace quorate::server
