#include "wal/refusal.h"

#include "wal/format.h"

namespace quorate::wal {

namespace {

std::string what_failed(const DiskFailure& failure) {
    return text(failure.file.empty() ? "the data directory" : failure.file, ": ", failure.detail);
}

Refusal denied(std::string_view what) {
    return {RefusalCode::Configuration,
            text(what,
                 ": this process may not use this file of its data directory, which says nothing about "
                 "what is in it: let it read and write them all (chown them to the user that it runs as), "
                 "then start again")};
}

}  // namespace

RefusalCode code_of_read(const DiskFailure& failure) {
    switch (failure.error) {
        case DiskError::NotFound: return RefusalCode::Damage;  // or it is too short
        case DiskError::Denied: return RefusalCode::Configuration;
        case DiskError::NotAFile:  // since the start, which looks for that
        case DiskError::NoSpace:
        case DiskError::Locked:
        case DiskError::Failed: break;
    }
    return RefusalCode::IoFailed;
}

bool is_unread(const Flaw& flaw) {
    return flaw.code == RefusalCode::IoFailed || flaw.code == RefusalCode::Configuration;
}

Refusal refusal(const Flaw& flaw) {
    switch (flaw.code) {
        case RefusalCode::UnknownFormat:
            return {flaw.code, text(flaw.file, ": ", flaw.what, ": start the version that wrote it")};
        case RefusalCode::WrongIdentity:
            return {flaw.code, text(flaw.file, ": offset ", flaw.offset, ": ", flaw.what,
                                    ": put the files of that node back where they were")};
        case RefusalCode::IoFailed:
            return {flaw.code, text(flaw.file, ": offset ", flaw.offset, ": ", flaw.what,
                                    ": check the disk, then start again")};
        case RefusalCode::Configuration: return denied(text(flaw.file, ": ", flaw.what));
        case RefusalCode::Damage:
        case RefusalCode::MetaUnreadable:
        case RefusalCode::Locked:
        case RefusalCode::NoSpace: break;
    }
    if (const auto snapshot = parse_snapshot_name(flaw.file))
        return damage(flaw.file, flaw.offset, flaw.what, text("the entries up to ", snapshot->value));
    return damage(
        flaw.file, flaw.offset, flaw.what,
        text("the entries behind entry ", flaw.behind.index.value, " (term ", flaw.behind.term.value, ")"));
}

Refusal damage(std::string_view file, std::uint64_t offset, std::string_view expected_and_seen,
               std::string_view entries) {
    return {RefusalCode::Damage,
            text(file, ": offset ", offset, ": damaged: ", expected_and_seen, "; concerns ", entries,
                 ", which may have been acknowledged: ", kLostDirectoryAdvice)};
}

Refusal disk_refusal(const DiskFailure& failure) {
    const std::string what = what_failed(failure);
    switch (failure.error) {
        case DiskError::Locked:
            return {
                RefusalCode::Locked,
                text(what, ": another process uses this data directory: stop it, or name another directory")};
        case DiskError::NoSpace:
            return {RefusalCode::NoSpace, text(what, ": no room on the disk: make room, then start again")};
        case DiskError::Denied: return denied(what);
        case DiskError::NotAFile:
            return {
                RefusalCode::Configuration,
                text(what,
                     ": this node keeps a file of that name in its data directory: move away what has it, "
                     "put the file back if there was one, then start again")};
        case DiskError::NotFound:
        case DiskError::Failed: break;
    }
    return {RefusalCode::IoFailed, text(what,
                                        ": what was written may be on the disk or not, and this node has not "
                                        "counted it as written: check "
                                        "the disk, then start again; recovery decides what is there")};
}

Refusal read_refusal(const DiskFailure& failure) {
    if (failure.error == DiskError::Denied || failure.error == DiskError::NotAFile)
        return disk_refusal(failure);
    return {RefusalCode::IoFailed, text(what_failed(failure), ": check the disk, then start again")};
}

Refusal directory_refusal(const DiskFailure& failure) {
    if (failure.error == DiskError::Locked || failure.error == DiskError::NoSpace)
        return disk_refusal(failure);
    return {
        RefusalCode::Configuration,
        text(failure.file, ": ", failure.detail,
             ": the data directory cannot be used, and nothing in it was changed: name a directory that this "
             "process may write to, or let it")};
}

}  // namespace quorate::wal
