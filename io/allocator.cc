// The memory of a program that is linked with this comes from mimalloc, in huge pages where the system has
// them for who asks
// (/sys/kernel/mm/transparent_hugepage/enabled: madvise or always). On a virtual machine the first touch of a
// small page can cost more than all that is done with what is in it.

#include <algorithm>
#include <array>
#include <string_view>

#include <fcntl.h>
#include <mimalloc.h>
#include <unistd.h>

namespace {

// Pages that were set apart for another program, a database mostly: mimalloc would take them before others,
// and where this process may not have them their first touch is its end.
bool has_reserved_pages(const char* count_file) {
    const int fd = ::open(count_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    std::array<char, 32> text{};
    const ssize_t bytes = ::read(fd, text.data(), text.size());
    ::close(fd);
    return bytes > 0 && std::string_view(text.data(), static_cast<std::size_t>(bytes)) != "0\n";
}

void use_huge_pages(int /*argc*/, char** /*argv*/, char** /*envp*/) {
    constexpr std::array<const char*, 4> kCounts{
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages",
        "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages",
        "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_overcommit_hugepages"};
    if (std::ranges::any_of(kCounts, has_reserved_pages)) return;
    mi_option_enable(mi_option_large_os_pages);
    mi_option_set(mi_option_eager_commit_delay, 0);  // or the first 64 MiB would be of small pages
}

// Libraries take memory in their constructors: this runs before them (System V ABI, DT_PREINIT_ARRAY).
[[gnu::section(".preinit_array"), gnu::used]] void (*const kFirst)(int, char**, char**) = use_huge_pages;

}  // namespace
