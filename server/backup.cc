#include "server/backup.h"

#include <utility>

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace quorate::server {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kBackupVersion = 1;
constexpr std::size_t kKeyBytesMax = 4096;
constexpr std::size_t kValueBytesMax = std::size_t{4} << 20;
/// Of a key and a value whose every byte is written as six, and what stands around them.
constexpr std::size_t kLineBytesMax = 6 * (kKeyBytesMax + kValueBytesMax) + 1024;

void append_line(std::string& out, std::string_view key, const Record& record) {
    out.push_back('{');
    append_json_bytes(out, "k", key);
    out.push_back(',');
    append_json_bytes(out, "v", record.value);
    fmt::format_to(std::back_inserter(out), ",\"create_revision\":{},\"mod_revision\":{},\"version\":{}}}\n",
                   record.create_revision, record.mod_revision, record.version);
}

std::optional<std::uint64_t> number(const Json& json, const char* name) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

std::optional<std::string> text(const Json& json, const std::string& name) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_string()) return std::nullopt;
    return found->get_ref<const std::string&>();
}

// As append_json_bytes() writes them.
std::optional<std::string> bytes(const Json& json, const std::string& name) {
    if (auto plain = text(json, name)) return plain;
    const auto escaped = text(json, name + "_b64");
    std::string decoded;
    if (!escaped || !absl::Base64Unescape(*escaped, &decoded)) return std::nullopt;
    return decoded;
}

std::optional<BackupPair> pair_of(const Json& json, std::uint64_t revision) {
    auto key = bytes(json, "k");
    const auto value = bytes(json, "v");
    const auto created = number(json, "create_revision");
    const auto changed = number(json, "mod_revision");
    const auto version = number(json, "version");
    if (!key || !value || !created || !changed || !version) return std::nullopt;
    const bool is_possible = !key->empty() && key->size() <= kKeyBytesMax &&
                             value->size() <= kValueBytesMax && 1 <= *created && *created <= *changed &&
                             *changed <= revision && *version >= 1;
    if (!is_possible) return std::nullopt;
    return BackupPair{std::move(*key), {*value, *created, *changed, *version}};
}

}  // namespace

BackupEncoder::BackupEncoder(std::string_view cluster_id, const StateMachine& store, const Pin& pin,
                             std::size_t keys_at_once)
    : walk_(pin, keys_at_once), keys_(store.size()) {
    head_ = fmt::format("{{\"quorate_backup\":{},\"cluster\":\"{}\",\"revision\":{},\"keys\":{}}}\n",
                        kBackupVersion, cluster_id, pin.revision, keys_);
}

std::string BackupEncoder::next_part(const StateMachine& store, std::size_t bytes) {
    std::string part = std::exchange(head_, {});
    is_complete_ = walk_.go_on(store, [&part, bytes](const KeyState& state) {
        if (part.size() >= bytes) return false;
        append_line(part, state.key, *state.record);
        return true;
    });
    hash_.add(part);
    if (!is_complete_) return part;
    part += fmt::format("{{\"complete\":true,\"keys\":{},\"xxh64\":\"{:016x}\"}}\n", keys_, hash_.value());
    return part;
}

std::unexpected<std::string> BackupReader::wrong(std::string_view what) const {
    return std::unexpected(
        fmt::format("line {}: {}: nothing of it was taken; take the backup again, or name one that is whole",
                    line_, what));
}

// Without its LF.
std::expected<std::string, std::string> BackupReader::next_line() {
    ++line_;
    for (std::size_t sought = begin_;;) {
        const std::size_t end = bytes_.find('\n', sought);
        if (end != std::string::npos) {
            std::string line = bytes_.substr(begin_, end - begin_);
            begin_ = end + 1;
            return line;
        }
        if (bytes_.size() - begin_ > kLineBytesMax)
            return wrong("it is longer than that of any key and value");
        bytes_.erase(0, std::exchange(begin_, 0));
        sought = bytes_.size();
        const auto more = source_();
        if (!more) return std::unexpected(more.error());
        if (more->empty() && bytes_.empty())
            return wrong(line_ == 1 ? "the file is empty"
                                    : "the file ends here, before the line that says that it is complete");
        if (more->empty()) return wrong("the file ends in the middle of this line");
        bytes_ += *more;
    }
}

std::expected<BackupHead, std::string> BackupReader::head() {
    const auto line = next_line();
    if (!line) return std::unexpected(line.error());
    const Json json = Json::parse(*line, nullptr, false);
    const auto version = json.is_object() ? number(json, "quorate_backup") : std::nullopt;
    if (!version) return wrong("expected the first line of a backup, seen something else");
    if (*version != kBackupVersion)
        return wrong(fmt::format("a backup of format {}, of which this version (" QUORATE_VERSION
                                 ") knows only {}: use the version that made it",
                                 *version, kBackupVersion));
    const auto cluster = text(json, "cluster");
    const auto revision = number(json, "revision");
    const auto keys = number(json, "keys");
    if (!cluster || !revision || !keys)
        return wrong("expected cluster, revision and keys, seen not all of them");
    hash_.add(*line);
    hash_.add("\n");
    head_ = {*cluster, *revision, *keys};
    return head_;
}

std::expected<std::optional<BackupPair>, std::string> BackupReader::next() {
    const auto line = next_line();
    if (!line) return std::unexpected(line.error());
    const Json json = Json::parse(*line, nullptr, false);
    if (!json.is_object()) return wrong("expected a JSON object, seen something else");
    if (json.contains("complete")) {
        const auto keys = number(json, "keys");
        if (json["complete"] != true || !keys)
            return wrong("expected the last line of a backup, seen something else");
        if (auto checked = check_end(*keys, text(json, "xxh64").value_or("")); !checked)
            return std::unexpected(checked.error());
        return std::nullopt;
    }
    auto pair = pair_of(json, head_.revision);
    if (!pair) return wrong("expected a key with its value and revisions, seen something else");
    if (pair->key <= last_key_) return wrong("its key is not behind that of the line before");
    hash_.add(*line);
    hash_.add("\n");
    ++pairs_;
    last_key_ = pair->key;
    return pair;
}

std::expected<void, std::string> BackupReader::check_end(std::uint64_t keys, std::string_view hash) {
    if (pairs_ != keys || pairs_ != head_.keys)
        return wrong(fmt::format("expected {} keys before it, seen {}", head_.keys, pairs_));
    if (hash != fmt::format("{:016x}", hash_.value()))
        return wrong("the lines before it are not those that were made");
    const auto more = source_();
    if (!more) return std::unexpected(more.error());
    if (begin_ < bytes_.size() || !more->empty()) return wrong("it is the last one, yet there are more");
    return {};
}

}  // namespace quorate::server
