// When a request of a connection is asked: its place in the order, and room for its answer.

#include <algorithm>
#include <utility>

#include "io/http_connection.h"
#include "server/problem.h"

namespace quorate::io {

namespace {

/// So many requests a connection may have in any case: the next one is there when one is answered.
constexpr std::size_t kOwnRequests = 2;

}  // namespace

// Requests may be with the handler together as long as nobody can tell: safe ones, and writes, whose order
// the log keeps. A read behind a write of the same client must see it, and one in front must not: RFC
// 9112, 9.3.2.
void HttpConnection::ask() {
    bool awaits_safe = false;
    bool awaits_unsafe = false;
    for (Slot& slot : slots_) {
        if (slot.state == SlotState::Waiting) {
            if (slot.is_safe ? awaits_unsafe : awaits_safe) return;
            if (slot.expected_bytes > 0 && !has_own_room(slot)) return;
            if (slot.expected_bytes > 0 && !has_server_room(slot)) return wait_for_server_room();
            hand_over(slot);
            if (slot.state == SlotState::Waiting) return;  // there is no room for its answer
        }
        if (slot.state == SlotState::Asked) (slot.is_safe ? awaits_safe : awaits_unsafe) = true;
    }
}

void HttpConnection::hand_over(Slot& slot) {
    slot.state = SlotState::Asked;
    if (slot.is_safe) return server_.handler_.on_request(slot.exchange, slot.request);
    const server::HttpRequest request = std::exchange(slot.request, {});
    server_.handler_.on_request(slot.exchange, request);
}

const HttpConnection::Slot* HttpConnection::first_waiting() const {
    const auto found = std::ranges::find(slots_, SlotState::Waiting, &Slot::state);
    return found == slots_.end() ? nullptr : &*found;
}

// One answer at a time may be larger than the bound, when everything before it is nearly gone.
bool HttpConnection::has_own_room(const Slot& slot) const {
    const HttpLimits& limits = server_.limits_;
    if (&slot == &slots_.front()) {
        return outgoing_bytes() < limits.small_output_bytes ||
               outgoing_bytes() + slot.expected_bytes <= limits.output_bytes_max;
    }
    std::size_t bytes = outgoing_bytes() + answer_bytes_;
    for (const Slot& other : slots_) {
        if (other.state != SlotState::Answered) bytes += other.expected_bytes;
        if (&other == &slot) break;
    }
    return bytes <= limits.output_bytes_max;
}

bool HttpConnection::has_server_room(const Slot& slot) const {
    const std::size_t bytes = outgoing_bytes() + answer_bytes_ + slot.expected_bytes;
    return bytes <= server_.limits_.small_output_bytes ||
           server_.has_room(slot.expected_bytes, &slot == &slots_.front());
}

bool HttpConnection::has_server_room() const { return has_server_room(*first_waiting()); }

std::size_t HttpConnection::bytes_to_wait_for() const {
    const Slot* slot = first_waiting();
    return slot != nullptr && has_own_room(*slot) ? slot->expected_bytes : 0;
}

void HttpConnection::wait_for_server_room() {
    if (starved_since_ms_ == 0) starved_since_ms_ = server_.running_ms();
    if (std::exchange(waits_for_server_room_, true)) return;
    server_.waiting_.push_back(number_);
    server_.loop_.request_turn();
}

void HttpConnection::resume() {
    waits_for_server_room_ = false;
    ask();
    process();
    server_.loop_.request_turn();  // what was asked in here found this turn's end already begun
}

bool HttpConnection::wants_answer(server::HttpExchange exchange, std::size_t bytes) {
    const auto slot = std::ranges::find(slots_, exchange, &Slot::exchange);
    if (slot == slots_.end() || slot->state != SlotState::Asked) return false;
    if (!slot->is_safe) return true;
    slot->expected_bytes = std::max<std::size_t>(bytes, 1);
    slot->state = SlotState::Waiting;
    if (!has_own_room(*slot)) {
        touch();
        return false;
    }
    if (!has_server_room(*slot)) {
        wait_for_server_room();
        return false;
    }
    slot->state = SlotState::Asked;
    return true;
}

bool HttpConnection::has_room() const {
    const HttpLimits& limits = server_.limits_;
    const std::size_t most =
        server_.requests_ < limits.requests_total_max ? limits.pipelined_max : kOwnRequests;
    return slots_.size() < most && first_waiting() == nullptr &&
           answer_bytes_ + outgoing_bytes() < limits.output_bytes_max;
}

// What the server's bounds count.
void HttpConnection::account() {
    server_.requests_ += slots_.size();
    server_.requests_ -= std::exchange(accounted_requests_, slots_.size());
    const std::size_t bytes = is_closed_ ? 0 : outgoing_bytes() + answer_bytes_;
    server_.unwritten_bytes_ += bytes;
    server_.unwritten_bytes_ -= std::exchange(accounted_bytes_, bytes);
}

// Others have taken all the room for large answers, and do not read them.
void HttpConnection::check_starvation(std::uint64_t now_ms) {
    Slot& slot = slots_.front();
    if (starved_since_ms_ == 0 || slot.state != SlotState::Waiting ||
        now_ms - starved_since_ms_ <= server_.limits_.room_ms_max)
        return;
    respond(slot.exchange,
            server::retryable_problem(
                503, "overloaded", "this server has too many large answers to write; nothing happened", 1));
}

}  // namespace quorate::io
