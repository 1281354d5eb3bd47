// The memory of a program that is linked with this comes from mimalloc, in huge pages where the system has
// them for who asks
// (/sys/kernel/mm/transparent_hugepage/enabled: madvise or always). On a virtual machine the first touch of a
// small page can cost more than all that is done with what is in it.

#include <mimalloc.h>

namespace {

void use_huge_pages(int /*argc*/, char** /*argv*/, char** /*envp*/) {
    mi_option_enable(mi_option_large_os_pages);
    mi_option_set(mi_option_eager_commit_delay, 0);  // or the first 64 MiB would be of small pages
}

// Libraries take memory in their constructors: this runs before them (System V ABI, DT_PREINIT_ARRAY).
[[gnu::section(".preinit_array"), gnu::used]] void (*const kFirst)(int, char**, char**) = use_huge_pages;

}  // namespace
