#pragma once

// The exit codes that operators' scripts tell apart, as README.md lists them; wal/refusal.h has the same
// list, on purpose not included here.

namespace quorate::test {

inline constexpr int kExitUsage = 2;
inline constexpr int kExitDamage = 10;
inline constexpr int kExitMetaUnreadable = 11;
inline constexpr int kExitWrongIdentity = 12;
inline constexpr int kExitLocked = 13;
inline constexpr int kExitUnknownFormat = 14;
inline constexpr int kExitIoFailed = 15;
inline constexpr int kExitNoSpace = 16;
inline constexpr int kExitConfiguration = 17;

}  // namespace quorate::test
