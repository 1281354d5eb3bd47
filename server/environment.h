#pragma once

// The port through which a node reaches the world, disk aside. main implements it with io, the simulator with
// virtual links.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types.h"
#include "server/http_message.h"
#include "server/situation.h"

namespace quorate::engine {
struct Output;
}
namespace quorate::wal {
struct LogEntry;
}

namespace quorate::server {

class StateMachine;

enum class LogLevel : std::uint8_t { Debug, Info, Warning, Error };

/// A member of the cluster and where to reach it.
struct PeerAddress {
    engine::ServerId id;
    std::string name;     ///< its --node-id
    std::string address;  ///< HOST:PORT
    bool operator==(const PeerAddress&) const = default;
};

/// What a function here answers is recorded and replayed: a new one is a record of recording.h. None has a
/// body, so that the recorder, which stands before another environment, cannot swallow a call unnoticed.
class Environment {
 public:
    Environment() = default;
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    virtual ~Environment() = default;

    /// The other members have changed: keep a link to each of these and drop the rest.
    virtual void set_peers(const std::vector<PeerAddress>& peers) = 0;
    /// Sends one frame (peer_codec.h), best effort. False: it was dropped at once, since the link is down or
    /// its bounded queue full. A link that breaks later is reported to Node::peer_lost().
    virtual bool send_frame(engine::ServerId to, std::string frame) = 0;
    /// Answers a request. Exactly once for each, in any order; ignored when the client has gone.
    virtual void respond(HttpExchange exchange, HttpResponse response) = 0;
    /// Asked before the answer to a read is made, which has about so many bytes. False: forget the request,
    /// the one exception to respond(). Its client has gone; or it has not taken what it asked before, and
    /// request_received() is called again when there is room.
    virtual bool wants_answer(HttpExchange exchange, std::size_t bytes) = 0;
    /// Instead of respond(): begins an answer that has no body yet and gets it in parts, so that it may be
    /// larger than any memory.
    virtual void begin_parts(HttpExchange exchange, HttpResponse response) = 0;
    /// Whether its client has taken so much that about `bytes` more may be made now. Ask at the end of a
    /// turn; there is another one soon after it has.
    virtual bool wants_part(HttpExchange exchange, std::size_t bytes) = 0;
    /// A part that is wanted, of at least one byte unless it is the last; one that breaks off may always be
    /// given, and is empty. False: the client has gone, or took nothing for too long; it gets no more.
    virtual bool send_part(HttpExchange exchange, std::string bytes, AnswerPart part) = 0;
    virtual void log(LogLevel level, std::string_view line) = 0;
    /// Have turn_ended() called again soon, after other events had their turn: there is more to do than one
    /// turn should.
    virtual void request_turn() = 0;
    /// The process must stop now, with this exit code; `line` says why and what to do. The node does nothing
    /// more.
    virtual void fail(int exit_code, std::string_view line) = 0;

    // For who watches a node: traces, coverage and checkers. The node does not depend on any of them.
    virtual void met(Situation situation) = 0;
    /// The engine has taken a step; its actions are performed next.
    virtual void engine_stepped(const engine::Output& output) = 0;
    /// The entry at `index` is committed and has just been applied; called for each in order.
    virtual void entry_applied(engine::LogIndex index, const wal::LogEntry& entry) = 0;
    /// The store has been replaced by that of a snapshot through `index`; the next entry is applied to it.
    virtual void store_replaced(engine::LogIndex index, const StateMachine& store) = 0;
};

}  // namespace quorate::server
