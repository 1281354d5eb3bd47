#include "server/ctl_commands.h"

namespace quorate::server {

namespace {

constexpr CtlFlag kEncoded{"--encoded", "",
                           "Keys are given percent-encoded, as range prints those that are not printable"};
constexpr CtlFlag kConsistency{
    "--consistency", "HOW",
    "linearizable (unless given): every acknowledged write is seen; stale: at once, "
    "what the node asked has",
    "linearizable stale"};
constexpr CtlFlag kRevision{"--revision", "N", "As it was at this revision"};
constexpr CtlFlag kIfMatch{
    "--if-match", "ETAG",
    "Only if the key has this ETag (--json tells it; several with commas), or exists: '*'"};
constexpr CtlFlag kForce{"--force", "", "Also where no live majority would be left, or it has not caught up"};
constexpr CtlArgument kKey{"KEY", "1 to 4,096 bytes"};
constexpr CtlArgument kName{"NAME", "A member's --node-id"};
constexpr CtlArgument kMember{"MEMBER",
                              "NAME=HOST:PORT: a member's --node-id, and where the others reach it"};

std::vector<CtlCommand> key_commands() {
    return {
        {CtlVerb::Get,
         "",
         "get",
         {kKey},
         {kConsistency, kRevision, kEncoded},
         "Print a key's value, byte by byte",
         "quoratectl get greeting\nquoratectl get greeting --revision 7 > greeting.txt"},
        {CtlVerb::Put,
         "",
         "put",
         {kKey, {"VALUE", "Its value; '-': from standard input", true}},
         {{"--file", "FILE", "Take the value from a file"},
          kIfMatch,
          {"--if-absent", "", "Only if there is no such key"},
          kEncoded},
         "Write a key",
         "quoratectl put greeting hello\nquoratectl put photo --file photo.jpg --if-absent\n"
         "quoratectl put depth -- -40"},
        {CtlVerb::Del,
         "",
         "del",
         {kKey},
         {kIfMatch, kEncoded},
         "Delete a key; done also when there is none",
         "quoratectl del greeting --if-match 7"},
        {CtlVerb::Range,
         "",
         "range",
         {},
         {{"--start", "KEY", "From this key on"},
          {"--end", "KEY", "To this key, inclusive"},
          {"--after", "KEY", "Behind this key"},
          {"--limit", "N", "At most so many keys, 1,000 unless given"},
          {"--all", "", "All of them"},
          {"--keys-only", "", "Without the values"},
          kConsistency,
          kRevision,
          {"--unpinned", "",
           "Each page as it is when it is read. Without it all are read at the revision of the first, which "
           "a "
           "long range may outlive: what is replaced is kept for a while only"},
          kEncoded},
         "List keys in the order of their bytes: KEY, a tab and VALUE a line, what is not printable "
         "percent-encoded",
         "quoratectl range --start fruit/ --end fruit/~\nquoratectl range --all --keys-only | wc -l"},
        {CtlVerb::Batch,
         "",
         "batch",
         {{"FILE", "Lines PUT KEY VALUE or DEL KEY; '-': standard input"}},
         {},
         "Write all lines of a file in one step, or none",
         "printf 'PUT a 1\\nDEL b\\n' | quoratectl batch -"},
    };
}

// Found where the members are, and by itself.
CtlCommand transfer_command(std::string_view group, std::string_view example) {
    return {CtlVerb::Transfer,
            group,
            "transfer",
            {},
            {{"--to", "NAME", "Who shall lead; the one that has most of the log unless given"}},
            "Let another node lead",
            example};
}

std::vector<CtlCommand> member_commands() {
    return {
        {CtlVerb::MemberList,
         "member",
         "list",
         {},
         {},
         "Who belongs to the cluster, and how far each one is",
         "quoratectl member list"},
        {CtlVerb::MemberAdd,
         "member",
         "add",
         {kMember},
         {{"--learner", "", "It gets the log, and does not vote until it is promoted"}},
         "Give a node a place; it votes when it has caught up. Start it with quorated --join, which asks for "
         "a "
         "place by itself when it has none",
         "quoratectl member add n4=10.0.0.4:7070"},
        {CtlVerb::MemberRemove,
         "member",
         "remove",
         {kName},
         {kForce},
         "Remove a member, for good: its name does not come back",
         "quoratectl member remove n1"},
        {CtlVerb::MemberPromote,
         "member",
         "promote",
         {kName},
         {kForce},
         "Let a learner vote",
         "quoratectl member promote n5"},
        {CtlVerb::MemberMove,
         "member",
         "move",
         {kMember},
         {kForce},
         "Give a member another address",
         "quoratectl member move n3=10.0.0.33:7070"},
        transfer_command("member", "quoratectl member transfer --to n2"),
    };
}

std::vector<CtlCommand> cluster_commands() {
    return {
        transfer_command("", "quoratectl transfer --to n2"),
        {CtlVerb::Snapshot,
         "",
         "snapshot",
         {},
         {{"--node", "NAME|ADDR", "By which node; the first of the endpoints that answers unless given"}},
         "Let a node take a snapshot of its store now",
         "quoratectl snapshot --node n2 --timeout-s 600"},
        {CtlVerb::Backup,
         "",
         "backup",
         {{"FILE", "It is there when it is complete, and until then FILE.tmp; '-': standard output"}},
         {kConsistency},
         "All keys at one revision, which quorated --restore begins a new cluster with. --timeout-s is how "
         "long nothing may come",
         "quoratectl backup cluster.ndjson"},
        {CtlVerb::Completion,
         "",
         "completion",
         {{"SHELL", "bash, zsh or fish", false, "bash zsh fish"}},
         {},
         "Print a script that completes this command line",
         "source <(quoratectl completion bash)"},
    };
}

std::vector<CtlCommand> all_commands() {
    std::vector<CtlCommand> commands = key_commands();
    commands.push_back({CtlVerb::Status,
                        "",
                        "status",
                        {},
                        {},
                        "Every member: whether it is up, its role, how far it is",
                        "quoratectl status"});
    for (const auto& more : {member_commands(), cluster_commands()}) {
        commands.insert(commands.end(), more.begin(), more.end());
    }
    return commands;
}

}  // namespace

const std::vector<CtlCommand>& ctl_commands() {
    static const std::vector<CtlCommand> commands = all_commands();
    return commands;
}

const std::vector<CtlFlag>& ctl_global_flags() {
    static const std::vector<CtlFlag> flags{
        {"--endpoints", "HOST:PORT,...",
         "Nodes to ask, one after the other until one can answer; else QUORATE_ENDPOINTS in the environment, "
         "else 127.0.0.1:7070"},
        {"--timeout-s", "N", "Give up after so many seconds, 10 unless given"},
        {"--json", "", "Print JSON: a document, or one a line"},
    };
    return flags;
}

std::string_view ctl_group_help(std::string_view group) {
    return group == "member" ? "Who belongs to the cluster, changes of that, and who leads it"
                             : std::string_view();
}

}  // namespace quorate::server
