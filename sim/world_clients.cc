// Clients: what they ask, and what becomes of it.

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "engine/check.h"
#include "sim/world_state.h"

namespace quorate::sim {

void World::client_waits(std::size_t client, std::uint64_t us) {
    clients_[client].token = next_number_++;
    queue_.push(now_us_ + us,
                {EventKind::ClientActs, static_cast<std::uint32_t>(client), 0, clients_[client].token, {}});
}

// A pause is over, or the time of an attempt.
void World::client_acts(std::size_t client) {
    Client& c = clients_[client];
    if (c.is_done()) return;
    if (c.attempt) {
        const PreparedAttempt attempt = std::move(*c.attempt);
        c.attempt.reset();
        if (remains_unknown(client, attempt)) return operation_ends(client);
        if (c.again) return client_waits(client, pause_us(c));
    }
    attempt_next(client);
}

// Nobody knows what has become of the attempt. True: nor does its client try any more.
bool World::remains_unknown(std::size_t client, const PreparedAttempt& attempt) {
    if (keeps(client, attempt, true)) return false;
    witness_.saw(client, attempt.attempt, Fate::Unknown, clients_[client].called_us, now_us_, nullptr);
    return !attempt.attempt.writes.empty() && !tries_again();
}

// Before the next try. What may be on its way still is sent again ever less often: each try is another entry.
std::uint64_t World::pause_us(const Client& client) {
    const std::uint64_t doublings =
        client.again ? std::min<std::uint64_t>(client.tries, kPauseDoublingsMax) : 0;
    return (kClientPauseMs << doublings) * kMs;
}

// Whether its client sends it again as it is: what has an Idempotency-Key happens once.
bool World::keeps(std::size_t client, const PreparedAttempt& attempt, bool may_have_happened) {
    if (attempt.attempt.once.empty()) return false;
    Client& c = clients_[client];
    c.again = attempt;
    if (may_have_happened) {
        ++result_.unknown;
        c.again->attempt.may_have_happened = true;
    }
    return true;
}

// The outcome of a write is unknown. Some write another value then, which nobody takes for the first; where
// the write has a condition they look at the key before.
bool World::tries_again() {
    ++result_.unknown;
    const bool again = dice_.chance(kTriesAgainChance);
    if (again) reached(mark_of(Situation::WriteTriedAgain));
    return again;
}

std::size_t World::node_to_ask(const OperationLine& line, std::uint64_t tries) const {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const std::size_t node = (line.node + tries + i) % hosts_.size();
        if (phase_ != Phase::Core || is_core(node)) return node;
    }
    return line.node;
}

void World::attempt_next(std::size_t client) {
    Client& c = clients_[client];
    if (c.tries == 0) c.began_us = now_us_;
    if (c.tries >= kTriesMax) {
        if (c.again) witness_.saw(client, c.again->attempt, Fate::Unknown, c.called_us, now_us_, nullptr);
        return operation_ends(client);
    }
    const OperationLine& line = c.lines[c.next];
    c.node = node_to_ask(line, c.tries++);
    if (!hosts_[c.node]->is_up()) return client_waits(client, kClientPauseMs * kMs);
    if (c.again) {
        if (c.again->attempt.may_have_happened) reached(mark_of(Situation::WriteSentAgain));
        c.attempt = std::exchange(c.again, std::nullopt);
    } else {
        c.attempt = prepare(line, next_number_++, referee_, members_, c.after, c.session);
        c.called_us = now_us_;
    }
    // After the storm all are patient: who gives up at once and asks again can keep a slow cluster busy for
    // ever.
    const std::uint64_t patience_ms =
        phase_ == Phase::Storm
            ? plan_.shape.client_timeout_ms
            : std::max<std::uint64_t>(plan_.shape.client_timeout_ms, Shape{}.client_timeout_ms);
    client_waits(client, patience_ms * kMs);
    queue_.push(now_us_ + dice_.between(plan_.shape.latency_us_min, plan_.shape.latency_us_max),
                {EventKind::Request,
                 static_cast<std::uint32_t>(c.node),
                 static_cast<std::uint32_t>(client),
                 c.token,
                 {}});
}

void World::deliver_request(std::size_t node, std::size_t client, std::uint64_t token) {
    Client& c = clients_[client];
    if (c.token != token || !c.attempt) return;  // its time is over
    if (!hosts_[node]->is_up()) {
        // Connection refused: nothing happened.
        const PreparedAttempt attempt = std::move(*c.attempt);
        c.attempt.reset();
        keeps(client, attempt, false);
        return client_waits(client, kClientPauseMs * kMs);
    }
    const server::HttpExchange exchange = next_number_++;
    waiting_[exchange] = {node, client, token};
    asked(node).driver().request_received(exchange, c.attempt->request);
    touched(node);
}

void World::respond(std::size_t node, server::HttpExchange exchange, server::HttpResponse response) {
    hash(static_cast<std::uint64_t>(response.status));
    hash(response.body);
    const auto waiting = waiting_.extract(exchange);
    if (waiting.empty())
        return referee_.violate("Answers",
                                fmt::format("node {} answered exchange {} twice", node + 1, exchange));
    ENGINE_CHECK(waiting.mapped().node == node);
    reaches_client(waiting.mapped(), std::move(response));
}

// An answer, or that the connection broke: then the client hears nothing more.
void World::reaches_client(const WaitingExchange& waiting, std::optional<server::HttpResponse> response) {
    const std::uint64_t number = next_number_++;
    arriving_[number] = {waiting.client, waiting.token, std::move(response)};
    queue_.push(now_us_ + dice_.between(plan_.shape.latency_us_min, plan_.shape.latency_us_max),
                {EventKind::Response,
                 static_cast<std::uint32_t>(waiting.client),
                 static_cast<std::uint32_t>(waiting.node),
                 number,
                 {}});
}

// Some clients take nothing for a while.
void World::begin_parts(std::size_t node, server::HttpExchange exchange, server::HttpResponse response) {
    const std::uint64_t pause_us = dice_.flip() ? 0 : dice_.between(0, kPartsPauseMsMax * kMs);
    streams_[exchange] = {std::move(response), now_us_ + pause_us};
    queue_.push(now_us_ + pause_us,
                {EventKind::TurnEnd, static_cast<std::uint32_t>(node), 0, hosts_[node]->life(), {}});
}

bool World::has_taker(server::HttpExchange exchange) const {
    const auto waiting = waiting_.find(exchange);
    return waiting != waiting_.end() && clients_[waiting->second.client].token == waiting->second.token;
}

bool World::wants_part(server::HttpExchange exchange) {
    return !has_taker(exchange) || now_us_ >= streams_.at(exchange).taken_from_us;
}

bool World::send_part(std::size_t node, server::HttpExchange exchange, std::string bytes,
                      server::AnswerPart part) {
    auto stream = streams_.find(exchange);
    ENGINE_CHECK(stream != streams_.end());
    ENGINE_CHECK(!bytes.empty() || part != server::AnswerPart::More);
    stream->second.response.body += bytes;
    const bool is_taken = has_taker(exchange);
    if (is_taken && part == server::AnswerPart::More) return true;
    server::HttpResponse response = std::move(stream->second.response);
    streams_.erase(stream);
    if (is_taken && part == server::AnswerPart::Last) {
        respond(node, exchange, std::move(response));
    } else if (const auto waiting = waiting_.extract(exchange)) {
        reaches_client(waiting.mapped(), std::nullopt);
    }
    return is_taken;
}

void World::deliver_response(const ArrivingResponse& arrived) {
    Client& c = clients_[arrived.client];
    if (c.token != arrived.token || !c.attempt) return;  // its client has given up
    const PreparedAttempt attempt = std::move(*c.attempt);
    c.attempt.reset();
    const Fate fate = arrived.response ? referee_.judge(attempt.attempt, *arrived.response) : Fate::Unknown;
    const bool has_ended = arrived.response && begins_session(arrived.client, *arrived.response);
    switch (fate) {
        case Fate::Done:
            witness_.saw(arrived.client, attempt.attempt, fate, c.called_us, now_us_,
                         arrived.response ? &*arrived.response : nullptr);
            if (!attempt.attempt.is_stale_read && !attempt.attempt.is_order)
                last_served_us_[c.node] = now_us_;
            if (arrived.response && goes_on(arrived.client, attempt.attempt, *arrived.response)) return;
            ++result_.done;
            if (arrived.response) result_.answers.add(c.lines[c.next].kind, arrived.response->status);
            return operation_ends(arrived.client);
        case Fate::Unknown:
            if (attempt.attempt.writes.empty()) ++result_.refused;
            if (has_ended) {
                witness_.saw(arrived.client, attempt.attempt, fate, c.called_us, now_us_, nullptr);
                return operation_ends(arrived.client);
            }
            if (remains_unknown(arrived.client, attempt)) return operation_ends(arrived.client);
            return client_waits(arrived.client, pause_us(c));
        case Fate::Refused:
            ++result_.refused;
            // Room for another answer may never come.
            if (arrived.response && arrived.response->status == 429 && !attempt.attempt.once.empty()) {
                if (attempt.attempt.may_have_happened)
                    witness_.saw(arrived.client, attempt.attempt, Fate::Unknown, c.called_us, now_us_,
                                 nullptr);
                return operation_ends(arrived.client);
            }
            if (!has_ended) keeps(arrived.client, attempt, false);
            return client_waits(arrived.client, kClientPauseMs * kMs);
    }
}

// What the answer says of sessions. True: that of its attempt has ended.
bool World::begins_session(std::size_t client, const server::HttpResponse& response) {
    const std::string* session = response.header("Quorate-Session");
    if (session == nullptr) return false;
    clients_[client].session = std::stoull(*session);
    return response.status == 410;
}

// A page of a range may not be the last.
bool World::goes_on(std::size_t client, const Attempt& attempt, const server::HttpResponse& response) {
    const std::string* next = response.header("Quorate-Next");
    if (!attempt.is_range || next == nullptr) return false;
    reached(mark_of(Situation::NextPageAsked));
    clients_[client].after = *next;
    client_waits(client, 0);
    return true;
}

void World::operation_ends(std::size_t client) {
    Client& c = clients_[client];
    c.tries = 0;
    c.again.reset();
    c.after.clear();
    ++c.next;
    // After the storm nobody dawdles: what is left shall be over in a bounded time.
    const std::uint64_t pause_us_max = phase_ == Phase::Storm ? UINT64_MAX : 10 * kMs;
    client_waits(client, c.is_done() ? 0 : std::min(c.lines[c.next].pause_us, pause_us_max));
}

}  // namespace quorate::sim
