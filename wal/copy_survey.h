#pragma once

// The small files of a data directory as they are: whose it is, and its vote and term.

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "wal/disk.h"
#include "wal/finding.h"
#include "wal/format.h"
#include "wal/identity.h"

namespace quorate::wal {

struct CopySurvey {
    std::optional<Identity> identity;                ///< of the directory
    std::array<std::optional<VoteRecord>, 2> votes;  ///< of this directory
    std::vector<Finding> identity_findings;
    std::vector<Finding> vote_findings;

    /// The one in force.
    [[nodiscard]] std::optional<VoteRecord> vote() const;
    /// As far as these files tell, no vote or term was ever asked of the directory: a start may be making it.
    [[nodiscard]] bool is_initial() const;
};

/// Reads both copies of both. One that is just being written is read again. `first_header`: identity in the
/// header of a segment, asked for when neither copy says whose directory it is.
[[nodiscard]] CopySurvey survey_copies(DiskReader& disk, std::span<const FileStatus> files,
                                       const std::function<std::optional<Identity>()>& first_header);

/// The current term by the vote of this owner, as it is now.
[[nodiscard]] engine::Term read_term(DiskReader& disk, std::span<const FileStatus> files,
                                     std::uint64_t owner);

}  // namespace quorate::wal
