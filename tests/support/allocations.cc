#include "tests/support/allocations.h"

#include <cstdlib>
#include <new>

namespace {

std::size_t count = 0;

}  // namespace

namespace quorate::test {

std::size_t allocations() { return count; }

}  // namespace quorate::test

// In a source of their own: g++ takes them for a mismatch where it inlines one and not the other.
void* operator new(std::size_t bytes) {
    ++count;
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
