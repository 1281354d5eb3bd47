#include "server/ctl_run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "server/backup_check.h"
#include "server/ctl_requests.h"
#include "server/ctl_show.h"
#include "server/decimal.h"
#include "server/json_text.h"
#include "server/members.h"
#include "server/percent.h"

namespace quorate::server {

namespace {

/// For a leader that somebody has named: it may be dead since.
constexpr std::uint64_t kLeaderMsMax = 2000;
constexpr std::string_view kOutputRefused = "the output cannot be written; see what it goes to";

// A node that was removed, or is cut off, answers as well, with what it knew last: it knows no leader.
CtlRequest members_request() {
    CtlRequest request = read_request("/cluster/members", "members");
    request.is_best = [](const HttpResponse& response) {
        return leader_of_members(response.body).has_value();
    };
    return request;
}

CtlRequest nodes_request() {
    CtlRequest request = read_request("/cluster/nodes", "nodes");
    request.is_best = [](const HttpResponse& response) { return has_leading_node(response.body); };
    return request;
}

class Run {
 public:
    Run(const CtlTask& task, const CtlPorts& ports)
        : line_(task.line),
          ports_(ports),
          prints_json_(task.prints_json),
          write_key_(task.write_key),
          caller_(task.endpoints, task.timeout_ms, ports.network) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() = default;

    CtlExit command();

 private:
    using Answered = std::expected<CtlAnswer, CtlFailure>;
    using Show = std::string (*)(std::string_view body);

    CtlExit get();
    CtlExit put();
    CtlExit batch();
    CtlExit range();
    CtlExit member_list();
    CtlExit transfer();
    CtlExit snapshot();
    CtlExit backup();
    CtlExit write(const CtlRequestOrMistake& request);
    CtlExit tell(const Answered& answered, Show show);
    CtlExit change_members();
    CtlExit print_page(const HttpResponse& page, const CtlRange& range, std::uint64_t& keys);
    std::expected<std::string, CtlExit> value_to_put();
    CtlExit finish_backup(const BackupCheck& check, const std::string& name,
                          std::optional<CtlFileSink>& file);

    CtlExit print(std::string_view bytes) {
        if (ports_.print(bytes)) return CtlExit::Done;
        return fail(
            {CtlExit::LocalFile, fmt::format("{}{}", is_done_ ? "it is done, but " : "", kOutputRefused)});
    }
    // Of a change: it stays made when nobody can be told of it.
    Answered done(Answered answered) {
        is_done_ = answered.has_value();
        return answered;
    }
    CtlExit fail(const CtlFailure& failure) {
        ports_.remark(failure.text);
        return failure.exit;
    }
    CtlExit misused(std::string_view what) {
        return fail({CtlExit::Usage, fmt::format("{}; see --help", what)});
    }
    CtlExit no_file(std::string_view what) {
        return fail({CtlExit::LocalFile, fmt::format("{}; nothing was done", what)});
    }

    const CtlLine& line_;
    const CtlPorts& ports_;
    bool prints_json_;
    const std::string& write_key_;
    CtlCaller caller_;
    bool is_done_ = false;
};

CtlExit Run::command() {
    switch (line_.verb) {
        case CtlVerb::Get: return get();
        case CtlVerb::Put: return put();
        case CtlVerb::Del: return write(del_request(line_));
        case CtlVerb::Range: return range();
        case CtlVerb::Batch: return batch();
        case CtlVerb::Status: return tell(caller_.call(nodes_request()), shown_nodes);
        case CtlVerb::MemberList: return member_list();
        case CtlVerb::MemberAdd:
        case CtlVerb::MemberRemove:
        case CtlVerb::MemberPromote:
        case CtlVerb::MemberMove: return change_members();
        case CtlVerb::Transfer: return transfer();
        case CtlVerb::Snapshot: return snapshot();
        case CtlVerb::Backup: return backup();
        case CtlVerb::Completion: return print(completion_script(line_.text("SHELL")));
    }
    std::unreachable();
}

// What a body of JSON says: as it is, or as `show` has it.
CtlExit Run::tell(const Answered& answered, Show show) {
    if (!answered) return fail(answered.error());
    const std::string& body = answered->response.body;
    return print(prints_json_ ? body : show(body));
}

CtlExit Run::get() {
    const auto request = get_request(line_);
    if (!request) return misused(request.error());
    const Answered answered = caller_.call(*request);
    const std::string& text = line_.text("KEY");
    if (!answered && answered.error().exit == CtlExit::NoSuchKey)
        return fail({CtlExit::NoSuchKey,
                     fmt::format("there is no key '{}' (key_not_found); quoratectl range lists the keys that "
                                 "there are",
                                 shown_text(text))});
    if (!answered) return fail(answered.error());
    const HttpResponse& response = answered->response;
    if (prints_json_) {
        return print(
            shown_value_json(line_.has("--encoded") ? percent_decode(text).value_or(text) : text, response));
    }
    const bool wants_newline = ports_.prints_to_terminal && !response.body.ends_with('\n');
    return print(wants_newline ? response.body + '\n' : response.body);
}

CtlExit Run::write(const CtlRequestOrMistake& request) {
    if (!request) return misused(request.error());
    // A key alone is known for a while only, after which a copy of the write that was held up, as by a node
    // that stood still, would be carried out a second time. With a session it is refused.
    const Answered begun = caller_.call(session_request());
    if (!begun) return fail(begun.error());
    const auto session = parse_decimal(text_member(begun->response, "session"));
    if (!session)
        return fail({CtlExit::Unreachable,
                     fmt::format("{} names no session, and nothing was written; is it a node of Quorate?",
                                 begun->address)});
    const Answered answered = done(caller_.call(repeatable(*request, write_key_, *session)));
    if (!answered) return fail(answered.error());
    return print(prints_json_ ? shown_write_json(answered->response) : shown_write(answered->response));
}

std::expected<std::string, CtlExit> Run::value_to_put() {
    const std::string* value = line_.find("VALUE");
    const std::string* file = line_.find("--file");
    if ((value == nullptr) == (file == nullptr))
        return std::unexpected(misused("put needs either VALUE or --file FILE"));
    if (value != nullptr && *value != "-") return *value;
    auto read = ports_.read_file(file != nullptr ? *file : "-");
    if (!read) return std::unexpected(no_file(read.error()));
    return std::move(*read);
}

CtlExit Run::put() {
    auto value = value_to_put();
    return value ? write(put_request(line_, std::move(*value))) : value.error();
}

CtlExit Run::batch() {
    auto lines = ports_.read_file(line_.text("FILE"));
    return lines ? write(batch_request(std::move(*lines))) : no_file(lines.error());
}

CtlExit Run::print_page(const HttpResponse& page, const CtlRange& range, std::uint64_t& keys) {
    std::string shown;
    for (std::string_view rest = page.body; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto pair =
            prints_json_ ? shown_pair_json(line, range.has_values) : shown_pair(line, range.has_values);
        if (!pair)
            return fail({CtlExit::Refused, "the answer is no range; are the endpoints nodes of Quorate?"});
        shown += *pair;
        ++keys;
    }
    return print(shown);
}

CtlExit Run::range() {
    auto range = parse_range(line_);
    if (!range) return misused(range.error());
    while (range->left > 0) {
        const Answered answered = caller_.call(page_request(*range));
        if (!answered) return fail(answered.error());
        std::uint64_t keys = 0;
        if (const CtlExit printed = print_page(answered->response, *range, keys); printed != CtlExit::Done)
            return printed;
        const std::string* next = answered->response.header("Quorate-Next");
        if (next == nullptr || keys == 0) return CtlExit::Done;
        range->after = *next;
        range->left -= std::min(range->left, keys);
        const std::string* revision = answered->response.header("Quorate-Revision");
        if (range->is_pinned && range->revision.empty() && revision != nullptr) range->revision = *revision;
    }
    if (!range->is_limited)
        ports_.remark(fmt::format("there are more keys; see them with --all, or --encoded --after '{}'",
                                  range->after.value_or("")));
    return CtlExit::Done;
}

CtlExit Run::change_members() {
    const auto request = member_request(line_);
    if (!request) return misused(request.error());
    return tell(done(caller_.call(*request)), shown_members);
}

CtlExit Run::transfer() {
    const auto request = transfer_request(line_);
    if (!request) return misused(request.error());
    const Answered answered = done(caller_.call(*request));
    if (!answered) return fail(answered.error());
    const std::string& body = answered->response.body;
    if (prints_json_) return print(body);
    const Answered leader =
        caller_.call_at(answered->address, read_request("/cluster/leader", "leaderId"), kLeaderMsMax);
    return print(shown_transfer(body, leader ? leader->response.body : std::string()));
}

// The leader alone knows how far the others are; without one, anybody's word is better than none.
CtlExit Run::member_list() {
    const CtlRequest read = members_request();
    const Answered somebody = caller_.call(read);
    if (!somebody) return fail(somebody.error());
    const auto leader = leader_of_members(somebody->response.body);
    if (leader && *leader != somebody->address) {
        if (const Answered answered = caller_.call_at(*leader, read, kLeaderMsMax))
            return tell(answered, shown_members);
    }
    return tell(somebody, shown_members);
}

CtlExit Run::snapshot() {
    const std::string* node = line_.find("--node");
    if (node == nullptr) return tell(done(caller_.call(snapshot_request())), shown_snapshot);
    std::string address = *node;
    if (!is_address(address)) {
        const Answered members = caller_.call(members_request());
        if (!members) return fail(members.error());
        const auto found = address_of_member(members->response.body, *node);
        if (!found) {
            return fail({CtlExit::Refused,
                         fmt::format("'{}' is no member of this cluster; quoratectl member list tells who is",
                                     percent_encode_shortened(*node))});
        }
        address = *found;
    }
    return tell(done(caller_.call_at(address, snapshot_request())), shown_snapshot);
}

CtlExit Run::finish_backup(const BackupCheck& check, const std::string& name,
                           std::optional<CtlFileSink>& file) {
    const auto head = check.finish();
    if (!head)
        return fail(
            {CtlExit::Unreachable, fmt::format("the backup is not whole: {}; make it again", head.error())});
    if (!file) return print({});
    if (const auto finished = file->finish(); !finished)
        return fail({CtlExit::LocalFile, fmt::format("{}; make the backup again", finished.error())});
    is_done_ = true;
    if (!prints_json_)
        return print(fmt::format("{}: {} keys at revision {} of cluster '{}'\n", name, head->keys,
                                 head->revision, head->cluster_id));
    std::string json = "{\"file\":";
    append_json_string(json, is_utf8(name) ? name : percent_encode(name));
    json += ",\"cluster\":";
    append_json_string(json, head->cluster_id);
    return print(json + fmt::format(",\"revision\":{},\"keys\":{}}}\n", head->revision, head->keys));
}

CtlExit Run::backup() {
    const std::string& name = line_.text("FILE");
    if (name.empty()) return misused("FILE: a name has at least one character");
    std::optional<CtlFileSink> file;
    if (name != "-") {
        auto created = ports_.create_file(name);
        if (!created) return no_file(created.error());
        file = std::move(*created);
    }
    BackupCheck check;
    std::string not_written;
    const auto take = [&](std::string_view bytes) {
        check.add(bytes);
        if (!file) {
            if (!ports_.print(bytes)) not_written = "the output cannot be written";
        } else if (const auto written = file->write(bytes); !written) {
            not_written = written.error();
        }
        return not_written.empty();
    };
    const Answered answered = caller_.call(backup_request(line_, take));
    if (!not_written.empty())
        return fail({CtlExit::LocalFile, fmt::format("{}; the backup is not complete", not_written)});
    if (!answered) return fail(answered.error());
    return finish_backup(check, name, file);
}

}  // namespace

CtlExit run_ctl(const CtlTask& task, const CtlPorts& ports) { return Run(task, ports).command(); }

}  // namespace quorate::server
