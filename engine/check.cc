#include "engine/check.h"

#include <cstdio>
#include <cstdlib>

namespace quorate::engine {

void check_failed(const char* sentence, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, sentence);
    std::abort();
}

}  // namespace quorate::engine
