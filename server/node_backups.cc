// Backups: the store at one revision, given to a client in parts while the node goes on. A part is made when
// the one before has been taken, so that a slow client costs what the store forgets meanwhile, and delays
// nobody.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/http_answers.h"
#include "server/node.h"

namespace quorate::server {

void Node::start_backup(HttpExchange exchange) {
    if (is_stopping_) return environment_.respond(exchange, shutting_down());
    if (!is_ready()) return environment_.respond(exchange, store_loading());
    if (backups_.size() >= kBackupsMax) {
        environment_.met(Situation::RefusedOverloaded);
        return environment_.respond(exchange, overloaded());
    }
    const Pin pin = store_.pin_present();
    backups_.try_emplace(exchange, config_.cluster_id, store_, pin);
    environment_.begin_parts(exchange, backup_begun(pin.revision));
    environment_.request_turn();
}

void Node::go_on_with_backups() {
    if (has_failed_) return;
    bound_what_backups_hold();
    const std::size_t bytes = kBackupPartBytes / std::max<std::size_t>(backups_.size(), 1);
    for (auto backup = backups_.begin(); backup != backups_.end();) {
        auto& [exchange, encoder] = *backup;
        if (!environment_.wants_part(exchange, bytes)) {
            ++backup;
            continue;
        }
        std::string part = encoder.next_part(store_, bytes);
        const bool is_last = encoder.is_complete();
        // Nothing to send is not the client's end.
        const bool is_sent =
            (part.empty() && !is_last) ||
            environment_.send_part(exchange, std::move(part), is_last ? AnswerPart::Last : AnswerPart::More);
        if (is_sent && !is_last) {
            environment_.request_turn();
            ++backup;
            continue;
        }
        environment_.log(LogLevel::Info, fmt::format("the backup at revision {} {}", encoder.pin().revision,
                                                     is_sent ? "is complete" : "ends: its client has gone"));
        store_.unpin(encoder.pin());
        backup = backups_.erase(backup);
    }
}

void Node::break_off_backup(HttpExchange exchange, std::string_view why) {
    const auto found = backups_.find(exchange);
    const Pin pin = found->second.pin();
    environment_.log(LogLevel::Warning,
                     fmt::format("the backup at revision {} is broken off: {}", pin.revision, why));
    (void)environment_.send_part(exchange, {}, AnswerPart::BrokenOff);
    store_.unpin(pin);
    backups_.erase(found);
}

void Node::break_off_backups(std::string_view why) {
    while (!backups_.empty()) break_off_backup(backups_.begin()->first, why);
}

// The oldest one, when it is what holds the past: all before it has been freed.
void Node::bound_what_backups_hold() {
    if (store_.history().forgotten_bytes() <= config_.backup_held_bytes_max) return;
    const auto oldest = std::ranges::min_element(
        backups_, {}, [](const auto& backup) { return backup.second.pin().revision; });
    if (store_.history().held_revision() <= oldest->second.pin().revision) return;
    break_off_backup(
        oldest->first,
        "its client takes it more slowly than the store changes, and it would hold too much memory");
}

}  // namespace quorate::server
