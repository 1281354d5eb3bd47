#include "sim/witness.h"

#include <utility>

namespace quorate::sim {

void Witness::saw(std::uint64_t client, const Attempt& attempt, Fate fate, std::uint64_t called_us,
                  std::uint64_t now_us, const server::HttpResponse* response) {
    if (fate == Fate::Refused || attempt.is_stale_read || attempt.is_range || attempt.is_order ||
        attempt.is_backup || attempt.past_revision)
        return;
    const bool is_known = fate == Fate::Done && response != nullptr;
    if (is_known && response->status == 412) return;
    Operation operation;
    operation.client = client;
    operation.call = called_us;
    if (is_known) operation.ret = now_us;
    operation.outcome = is_known ? Outcome::Ok : Outcome::Unknown;
    for (const server::Operation& write : attempt.writes) {
        const bool is_put = write.kind == server::Operation::Kind::Put;
        operation.kind = is_put ? OperationKind::Put : OperationKind::Delete;
        operation.key = write.key;
        operation.value.reset();
        // Its name tells a value from every other.
        if (is_put) operation.value = value_name(write.value);
        history_.push_back(operation);
    }
    if (attempt.reads.empty() || !is_known) return;
    operation.kind = OperationKind::Get;
    operation.key = attempt.reads.front();
    if (response->status == 200) operation.value = value_name(response->body);
    history_.push_back(std::move(operation));
}

}  // namespace quorate::sim
