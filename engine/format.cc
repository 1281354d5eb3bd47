#include "engine/format.h"

#include <utility>

namespace quorate::engine {

std::string_view to_string(RoleName role) {
    switch (role) {
        case RoleName::Follower: return "Follower";
        case RoleName::PreCandidate: return "PreCandidate";
        case RoleName::Candidate: return "Candidate";
        case RoleName::Leader: return "Leader";
    }
    std::unreachable();
}

std::string_view to_string(NoteKind kind) {
    switch (kind) {
#define QUORATE_NOTE_NAME(name) \
    case NoteKind::name: return #name;
        QUORATE_NOTE_KINDS(QUORATE_NOTE_NAME)
#undef QUORATE_NOTE_NAME
    }
    std::unreachable();
}

std::string_view to_string(CampaignKind kind) {
    switch (kind) {
        case CampaignKind::PreVote: return "PreVote";
        case CampaignKind::Election: return "Election";
        case CampaignKind::Transfer: return "Transfer";
    }
    std::unreachable();
}

std::string_view to_string(EntryKind kind) {
    switch (kind) {
        case EntryKind::NoOp: return "NoOp";
        case EntryKind::Command: return "Command";
        case EntryKind::Membership: return "Membership";
    }
    std::unreachable();
}

std::string_view to_string(RefusalReason reason) {
    switch (reason) {
        case RefusalReason::NotLeader: return "NotLeader";
        case RefusalReason::Transferring: return "Transferring";
        case RefusalReason::Overloaded: return "Overloaded";
        case RefusalReason::ChangeInProgress: return "ChangeInProgress";
    }
    std::unreachable();
}

std::string_view to_string(TransferOutcome outcome) {
    switch (outcome) {
        case TransferOutcome::Done: return "Done";
        case TransferOutcome::NoTarget: return "NoTarget";
        case TransferOutcome::SteppedDown: return "SteppedDown";
        case TransferOutcome::TimedOut: return "TimedOut";
        case TransferOutcome::Replaced: return "Replaced";
    }
    std::unreachable();
}

std::string_view to_string(ProgressState state) {
    switch (state) {
        case ProgressState::Probe: return "Probe";
        case ProgressState::Replicate: return "Replicate";
        case ProgressState::Snapshot: return "Snapshot";
    }
    std::unreachable();
}

}  // namespace quorate::engine
