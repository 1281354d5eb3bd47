#include "wal/copy_survey.h"

#include <algorithm>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "wal/copies.h"
#include "wal/notice.h"
#include "wal/segment_walk.h"

namespace quorate::wal {

namespace {

/// A running node writes a block in far less time than it leaves it alone: each read that meets a write is by
/// chance, and so many in a row are none.
constexpr int kReadsMax = 8;

template <class T>
struct CopyRead {
    std::optional<T> value;
    std::optional<Finding> problem;
};

Finding damaged(std::string file, std::uint64_t offset, std::string what) {
    return {FindingKind::Damage, std::move(file), offset, std::move(what), std::nullopt};
}

std::uint64_t size_of(std::span<const FileStatus> files, std::string_view file) {
    const auto status = std::ranges::find(files, file, &FileStatus::name);
    return status == files.end() ? 0 : status->size;
}

// What nobody writes to behind the block, and nobody reads.
std::optional<Finding> check_rest(DiskReader& disk, std::span<const FileStatus> files,
                                  const std::string& file) {
    const std::uint64_t size = size_of(files, file);
    if (size != kCopyFileBytes) {
        return damaged(
            file, std::min(size, kCopyFileBytes),
            text("expected a file of ", kCopyFileBytes, " bytes, seen ", size, "; its content is intact"));
    }
    std::string rest(kCopyFileBytes - kBlockBytes, '\0');
    if (const auto done = disk.read(file, kBlockBytes, rest); !done)
        return Finding{FindingKind::Unreadable, file, kBlockBytes, done.error().detail, std::nullopt};
    const std::size_t stray = rest.find_first_not_of('\0');
    if (stray == std::string::npos) return std::nullopt;
    return damaged(file, kBlockBytes + stray, "expected zeros, seen other bytes; nothing is kept there");
}

template <class T>
CopyRead<T> read_steadily(DiskReader& disk, std::span<const FileStatus> files, std::string_view name,
                          Copy copy, std::expected<T, BlockProblem> (*decode)(std::string_view)) {
    const std::string file = copy_name(name, copy);
    CopyRead<T> result;
    if (std::ranges::find(files, file + '/', &FileStatus::name) != files.end()) {
        result.problem = Finding{FindingKind::Unreadable, file, 0, std::string(kNotAFile), std::nullopt};
        return result;
    }
    if (std::ranges::find(files, file, &FileStatus::name) == files.end()) {
        result.problem = damaged(file, 0, "expected this file, seen none");
        return result;
    }
    for (int reads = 0; reads < kReadsMax; ++reads) {
        const auto block = read_copy(disk, files, name, copy);
        if (!block) {
            result.problem = Finding{FindingKind::Unreadable, file, 0, block.error().detail, std::nullopt};
            return result;
        }
        auto decoded = decode(*block);
        if (decoded) {
            result.value = std::move(*decoded);
            result.problem = check_rest(disk, files, file);
            return result;
        }
        if (decoded.error() == BlockProblem::UnknownVersion) {
            result.problem =
                Finding{FindingKind::UnknownFormat, file, 0, unknown_format(file).what, std::nullopt};
            return result;
        }
    }
    result.problem =
        damaged(file, 0, text("expected ", kBlockBytes, " bytes with a checksum that fits, seen others"));
    return result;
}

// The readable copy that a vote vouches for, or the first.
std::optional<Identity> choose(const std::array<CopyRead<Identity>, 2>& copies,
                               const std::array<CopyRead<VoteRecord>, 2>& votes) {
    std::optional<Identity> chosen;
    for (const auto& copy : copies) {
        if (!copy.value) continue;
        const bool is_vouched_for = std::ranges::any_of(votes, [&](const CopyRead<VoteRecord>& vote) {
            return vote.value && vote.value->owner == owner_of(*copy.value);
        });
        if (!chosen || is_vouched_for) chosen = copy.value;
        if (is_vouched_for) break;
    }
    return chosen;
}

void compare_votes(const VoteRecord& a, const VoteRecord& b, std::vector<Finding>& findings) {
    if (a.sequence == b.sequence && a != b) {
        findings.push_back(
            damaged(copy_name(kVoteName, Copy::B), 0,
                    text("expected the content of the other copy, which counts as many changes (", a.sequence,
                         "), seen another")));
        return;
    }
    if (a.sequence == b.sequence) return;
    const Copy older = a.sequence < b.sequence ? Copy::A : Copy::B;
    const std::uint64_t behind = std::max(a.sequence, b.sequence) - std::min(a.sequence, b.sequence);
    findings.push_back({FindingKind::Unfinished, copy_name(kVoteName, older), 0,
                        text("older than the other copy by ", behind, behind == 1 ? " change" : " changes",
                             ", which is in force"),
                        std::nullopt});
}

template <class T>
void collect(const std::array<CopyRead<T>, 2>& copies, std::vector<Finding>& findings) {
    for (const Copy copy : kCopies) {
        const auto& [value, problem] = copies[static_cast<std::size_t>(copy)];
        if (!problem) continue;
        findings.push_back(*problem);
        const bool is_mendable = !value && problem->kind == FindingKind::Damage &&
                                 copies[copy == Copy::A ? 1 : 0].value.has_value();
        if (is_mendable)
            findings.back().what += "; the other copy is in force, the next start mends this one";
    }
}

}  // namespace

std::optional<VoteRecord> CopySurvey::vote() const {
    const auto& [a, b] = votes;
    if (!a || !b) return a ? a : b;
    return b->sequence > a->sequence ? b : a;
}

bool CopySurvey::is_initial() const {
    return std::ranges::all_of(votes, [](const std::optional<VoteRecord>& vote) {
        return !vote || vote->hard_state == engine::HardState{};
    });
}

CopySurvey survey_copies(DiskReader& disk, std::span<const FileStatus> files,
                         const std::function<std::optional<Identity>()>& first_header) {
    std::array<CopyRead<Identity>, 2> identities;
    std::array<CopyRead<VoteRecord>, 2> votes;
    for (const Copy copy : kCopies) {
        const auto at = static_cast<std::size_t>(copy);
        identities[at] = read_steadily(disk, files, kIdentityName, copy, decode_identity);
        votes[at] = read_steadily(disk, files, kVoteName, copy, decode_vote);
    }
    CopySurvey survey;
    survey.identity = choose(identities, votes);
    if (!survey.identity) survey.identity = first_header();
    // Without an identity none was readable, nor is there a log: nothing to belong to.
    const Identity owner = survey.identity.value_or(Identity{});
    for (const Copy copy : kCopies) {
        const auto at = static_cast<std::size_t>(copy);
        auto& identity = identities[at];
        if (identity.value && *identity.value != owner) {
            identity.problem =
                damaged(copy_name(kIdentityName, copy), 0,
                        text("belongs to ", name_of(*identity.value), ", not to ", name_of(owner)));
        }
        auto& vote = votes[at];
        if (vote.value && survey.identity && vote.value->owner != owner_of(owner)) {
            vote.value.reset();
            vote.problem = damaged(copy_name(kVoteName, copy), 0,
                                   text("belongs to another directory than that of ", name_of(owner)));
        }
        survey.votes[at] = vote.value;
    }
    collect(identities, survey.identity_findings);
    collect(votes, survey.vote_findings);
    const auto& [a, b] = survey.votes;
    if (a && b) compare_votes(*a, *b, survey.vote_findings);
    return survey;
}

engine::Term read_term(DiskReader& disk, std::span<const FileStatus> files, std::uint64_t owner) {
    engine::Term term;
    for (const Copy copy : kCopies) {
        const auto vote = read_steadily(disk, files, kVoteName, copy, decode_vote).value;
        if (vote && vote->owner == owner) term = std::max(term, vote->hard_state.current_term);
    }
    return term;
}

}  // namespace quorate::wal
