#include "tests/wal/log_user.h"

#include <algorithm>
#include <utility>

#include "engine/check.h"

namespace quorate::test {

using engine::HardState;
using engine::LogIndex;
using engine::PersistTicket;
using engine::ServerId;
using engine::Term;
using wal::LogEntry;

void History::vote(const HardState& hard_state) { votes_.push_back(hard_state); }
void History::write(LogIndex index, const LogEntry& entry) { writes_.push_back({index, entry}); }
void History::ticket(PersistTicket ticket) { tickets_.push_back({ticket, votes_.size(), writes_.size()}); }

void History::acknowledge(PersistTicket ticket) {
    for (const Ticket& t : tickets_) {
        if (t.ticket > ticket) break;
        votes_acknowledged_ = t.votes;
        writes_acknowledged_ = t.writes;
    }
}

void History::resume_with(const LogContent& content) {
    *this = {};
    base_ = content;
}

bool History::allows(const LogContent& content) const {
    bool has_vote = votes_acknowledged_ == 0 && content.hard_state == base_.hard_state;
    for (std::size_t i = std::max<std::size_t>(votes_acknowledged_, 1); i <= votes_.size(); ++i)
        has_vote = has_vote || votes_[i - 1] == content.hard_state;
    std::vector<LogEntry> entries = content_after(0, writes_acknowledged_).entries;
    for (std::size_t i = writes_acknowledged_; entries != content.entries; ++i) {
        if (i == writes_.size()) return false;
        apply(writes_[i], entries);
    }
    return has_vote;
}

LogContent History::acknowledged() const { return content_after(votes_acknowledged_, writes_acknowledged_); }
LogContent History::all() const { return content_after(votes_.size(), writes_.size()); }

void History::apply(const Write& write, std::vector<LogEntry>& entries) {
    entries.resize(write.index.value - 1);
    entries.push_back(write.entry);
}

LogContent History::content_after(std::size_t votes, std::size_t writes) const {
    LogContent content = base_;
    if (votes > 0) content.hard_state = votes_[votes - 1];
    for (std::size_t i = 0; i < writes; ++i) apply(writes_[i], content.entries);
    return content;
}

std::expected<LogContent, wal::Refusal> LogUser::open() {
    auto opened = wal::Log::open(disk_, options_);
    if (!opened) return std::unexpected(opened.error());
    log_ = std::move(opened->log);
    recovered_ = std::move(opened->recovered);
    hard_state_ = recovered_.hard_state;
    LogContent content{hard_state_, {}};
    const LogIndex last = recovered_.base.index.plus(recovered_.entries.size());
    for (LogIndex next = recovered_.base.index.next(); next <= last;) {
        auto entries = log_->read(next, last, 4096);
        if (!entries) return std::unexpected(entries.error());
        next = next.plus(entries->size());
        std::ranges::move(*entries, std::back_inserter(content.entries));
    }
    entries_made_ = last.value * 1000;
    return content;
}

void LogUser::vote(std::uint64_t term, std::uint64_t voted_for) {
    hard_state_ = {Term(term), ServerId(voted_for)};
    persist(hard_state_, {}, {}, {});
}

void LogUser::append(std::size_t count, std::size_t payload_bytes) {
    persist({}, {}, log_->last_index().next(), new_entries(count, payload_bytes));
}

void LogUser::replace(std::size_t back, std::size_t count, std::size_t payload_bytes) {
    const LogIndex from(log_->last_index().value - back);
    persist({}, from, from, new_entries(count, payload_bytes));
}

void LogUser::persist(std::optional<HardState> hard_state, LogIndex truncate_from, LogIndex first,
                      const std::vector<LogEntry>& entries) {
    last_ticket_ = last_ticket_.next();
    if (hard_state) history_.vote(*hard_state);
    for (std::size_t i = 0; i < entries.size(); ++i) history_.write(first.plus(i), entries[i]);
    history_.ticket(last_ticket_);
    log_->persist(last_ticket_, hard_state, truncate_from, first, entries);
}

std::vector<LogEntry> LogUser::new_entries(std::size_t count, std::size_t payload_bytes) {
    constexpr std::array kKinds = {engine::EntryKind::Command, engine::EntryKind::Command,
                                   engine::EntryKind::Membership, engine::EntryKind::NoOp};
    std::vector<LogEntry> entries;
    for (std::size_t i = 0; i < count; ++i) {
        ++entries_made_;
        // No two entries are alike, and no byte of one is zero.
        std::string payload = std::to_string(entries_made_);
        Dice dice(entries_made_);
        while (payload.size() < payload_bytes) payload += static_cast<char>(1 + dice.below(255));
        payload.resize(payload_bytes);
        entries.push_back(
            {hard_state_.current_term, kKinds[entries_made_ % kKinds.size()], std::move(payload)});
    }
    return entries;
}

bool LogUser::complete_next(wal::DiskLane lane) {
    const auto completion = disk_.complete_next(lane);
    if (!completion) return false;
    const auto ticket = log_->on_completed(*completion);
    if (!ticket) {
        refusal_ = ticket.error();
        return false;
    }
    if (*ticket > PersistTicket{}) {
        ENGINE_CHECK(*ticket > acknowledged_);
        acknowledged_ = *ticket;
        history_.acknowledge(*ticket);
    }
    return true;
}

bool LogUser::settle() {
    for (;;) {
        log_->flush();
        bool has_run = false;
        for (const wal::DiskLane lane : {wal::DiskLane::Background, wal::DiskLane::Log}) {
            if (disk_.waiting(lane).empty()) continue;
            if (!complete_next(lane)) return false;
            has_run = true;
        }
        if (!has_run) return log_->idle();
    }
}

}  // namespace quorate::test
