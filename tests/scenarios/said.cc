// Messages that nobody sent: what a broken or hostile server says, or one of another time.

#include "tests/scenarios/said.h"

#include <functional>
#include <map>

namespace quorate::scenario {

using namespace engine;  // NOLINT(google-build-using-namespace): every other word here is the engine's

namespace {

class Fields {
 public:
    explicit Fields(Words& words) {
        while (!words.is_empty()) {
            const std::string word = words.take("a field");
            const std::size_t equals = word.find('=');
            if (equals == std::string::npos)
                throw ScenarioError("a field must be NAME=VALUE, not '" + word + "'");
            values_[word.substr(0, equals)] = word.substr(equals + 1);
        }
    }

    std::string text(const std::string& name) {
        const auto node = values_.extract(name);
        return node.empty() ? "" : node.mapped();
    }
    std::uint64_t number(const std::string& name) {
        const std::string value = text(name);
        return value.empty() ? 0 : parse_number(value, name);
    }
    template <class Ordinal>
    Ordinal ordinal(const std::string& name) {
        return Ordinal(number(name));
    }
    EntryId entry(const std::string& name) {
        const std::string value = text(name);
        return value.empty() ? EntryId{} : parse_entry_id(value, name);
    }
    Term term() {
        if (!values_.contains("term")) throw ScenarioError("the field term is missing");
        return ordinal<Term>("term");
    }
    CampaignKind kind() {
        const std::string value = text("kind");
        if (value == "PreVote") return CampaignKind::PreVote;
        if (value == "Election") return CampaignKind::Election;
        if (value == "Transfer") return CampaignKind::Transfer;
        throw ScenarioError("kind must be PreVote, Election or Transfer, not '" + value + "'");
    }
    void require_end() const {
        if (!values_.empty())
            throw ScenarioError("the message has no field '" + values_.begin()->first + "'");
    }

 private:
    std::map<std::string, std::string> values_;
};

Packet append_entries(Fields& fields) {
    AppendEntries append{.term = fields.term(),
                         .previous = fields.entry("previous"),
                         .leader_commit = fields.ordinal<LogIndex>("commit")};
    Packet packet;
    const std::string entries = fields.text("entries");
    if (!entries.empty()) packet.entries = parse_entries(entries, append.previous.index.next());
    append.entry_count = static_cast<std::uint32_t>(packet.entries.size());
    packet.message = append;
    return packet;
}

Packet install_snapshot(Fields& fields) {
    const InstallSnapshot install{fields.term(), fields.entry("last")};
    Packet packet{.message = install};
    const auto index = fields.ordinal<LogIndex>("members_at");
    const std::string members = fields.text("members");
    if (!members.empty()) packet.snapshot_membership = MembershipAt{index, parse_membership(members)};
    return packet;
}

using Reader = std::function<Packet(Fields&)>;

const std::map<std::string, Reader>& readers() {
    static const std::map<std::string, Reader> known{
        {"RequestVote", [](Fields& f) { return Packet{RequestVote{f.term(), f.kind(), f.entry("last")}}; }},
        {"VoteGranted", [](Fields& f) { return Packet{VoteGranted{f.term(), f.kind()}}; }},
        {"VoteRefused",
         [](Fields& f) { return Packet{VoteRefused{f.term(), f.kind(), f.ordinal<Term>("request_term")}}; }},
        {"AppendEntries", append_entries},
        {"AppendAccepted",
         [](Fields& f) { return Packet{AppendAccepted{f.term(), f.ordinal<LogIndex>("match")}}; }},
        {"AppendRefused",
         [](Fields& f) {
             return Packet{AppendRefused{f.term(), f.entry("rejected"), f.entry("conflict"),
                                         f.ordinal<LogIndex>("last")}};
         }},
        {"Heartbeat",
         [](Fields& f) {
             return Packet{Heartbeat{f.term(), f.ordinal<Round>("round"), f.ordinal<LogIndex>("commit")}};
         }},
        {"HeartbeatReply",
         [](Fields& f) {
             return Packet{HeartbeatReply{f.term(), f.ordinal<Round>("round"),
                                          f.ordinal<LogIndex>("received"), f.ordinal<LogIndex>("match"),
                                          f.ordinal<LogIndex>("commit")}};
         }},
        {"StaleTerm", [](Fields& f) { return Packet{StaleTerm{f.term()}}; }},
        {"TimeoutNow", [](Fields& f) { return Packet{TimeoutNow{f.term()}}; }},
        {"ReadIndexRequest",
         [](Fields& f) { return Packet{ReadIndexRequest{f.term(), f.ordinal<RequestId>("request")}}; }},
        {"ReadIndexReply",
         [](Fields& f) {
             return Packet{
                 ReadIndexReply{f.term(), f.ordinal<RequestId>("request"), f.ordinal<LogIndex>("index")}};
         }},
        {"ReadIndexRefused",
         [](Fields& f) { return Packet{ReadIndexRefused{f.term(), f.ordinal<RequestId>("request")}}; }},
        {"InstallSnapshot", install_snapshot},
    };
    return known;
}

}  // namespace

Packet parse_packet(Words& words) {
    const std::string name = words.take("the message");
    const auto reader = readers().find(name);
    if (reader == readers().end()) throw ScenarioError("there is no message '" + name + "'");
    Fields fields(words);
    Packet packet = reader->second(fields);
    fields.require_end();
    return packet;
}

}  // namespace quorate::scenario
