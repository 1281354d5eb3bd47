#include "server/answered_writes.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "engine/check.h"

namespace quorate::server {

AnsweredWrites::AnsweredWrites(const AnsweredWrites& other)
    : held_(other.held_), freed_(other.freed_), forgotten_(other.forgotten_), added_(other.added_) {
    // The later of two with one key, of which the earlier is forgotten, is the one that counts.
    for (const Numbered& write : std::views::reverse(held_)) by_key_.insert(&write);
}

void AnsweredWrites::begin_behind(std::uint64_t forgotten) {
    ENGINE_CHECK(last() == 0);
    freed_ = forgotten_ = forgotten;
}

void AnsweredWrites::add(AnsweredWrite write) {
    const std::uint64_t number = last() + 1;
    const Numbered& added = held_.emplace_back(std::move(write), number);
    if (const auto known = by_key_.find(std::string_view(added.key)); known != by_key_.end()) {
        ENGINE_CHECK((*known)->number <= forgotten_);
        by_key_.erase(known);
    }
    by_key_.insert(&added);
    ++added_;
}

void AnsweredWrites::forget_through(std::uint64_t number) {
    forgotten_ = std::max(forgotten_, std::min(number, last()));
}

void AnsweredWrites::free_oldest(std::size_t count, std::uint64_t through) {
    for (; count > 0 && freed_ < std::min(forgotten_, through); --count) {
        const Numbered& freed = held_.front();
        if (const auto known = by_key_.find(std::string_view(freed.key)); *known == &freed)
            by_key_.erase(known);
        held_.pop_front();
        ++freed_;
    }
}

const AnsweredWrite* AnsweredWrites::find(std::string_view key) const {
    const auto known = by_key_.find(key);
    return known != by_key_.end() && (*known)->number > forgotten_ ? *known : nullptr;
}

const AnsweredWrite& AnsweredWrites::at(std::uint64_t number) const {
    ENGINE_CHECK(number > freed_ && number <= last());
    return held_[static_cast<std::size_t>(number - freed_) - 1];
}

bool AnsweredWrites::operator==(const AnsweredWrites& other) const {
    if (forgotten_ != other.forgotten_ || last() != other.last()) return false;
    for (std::uint64_t number = forgotten_ + 1; number <= last(); ++number) {
        if (at(number) != other.at(number)) return false;
    }
    return true;
}

}  // namespace quorate::server
