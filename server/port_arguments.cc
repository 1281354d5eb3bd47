#include "server/port_arguments.h"

#include "engine/overloaded.h"
#include "server/hash.h"

namespace quorate::server {

void ArgumentsHash::add(std::string_view text) { digest_.add(text.size()).add(hash64(text)); }

void ArgumentsHash::add(const std::vector<PeerAddress>& peers) {
    add(peers.size());
    for (const PeerAddress& peer : peers) {
        add(peer.id);
        add(peer.name);
        add(peer.address);
    }
}

void ArgumentsHash::add(const HttpResponse& response) {
    add(static_cast<std::uint64_t>(response.status));
    add(response.headers.size());
    for (const HttpHeader& header : response.headers) {
        add(header.name);
        add(header.value);
    }
    add(response.body);
}

void ArgumentsHash::add(std::span<const wal::DiskOperation> operations) {
    add(operations.size());
    for (const wal::DiskOperation& operation : operations) {
        add(operation.index());
        std::visit(engine::Overloaded{
                       [this](const wal::WriteAt& o) {
                           add(o.file);
                           add(o.offset);
                           add(o.bytes);
                       },
                       [this](const wal::SyncFile& o) { add(o.file); },
                       [this](const wal::CreateZeroed& o) {
                           add(o.file);
                           add(o.size);
                       },
                       [this](const wal::RenameFile& o) {
                           add(o.from);
                           add(o.to);
                       },
                       [this](const wal::RemoveFile& o) { add(o.file); },
                       [](const wal::SyncDirectory&) {},
                   },
                   operation);
    }
}

void ArgumentsHash::add(const wal::DiskJob& job) {
    add(job.id);
    add(static_cast<std::uint64_t>(job.lane));
    add(std::span<const wal::DiskOperation>(job.operations));
}

}  // namespace quorate::server
