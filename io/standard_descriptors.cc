#include "io/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

namespace quorate::io {

void hold_standard_descriptors() {
    // Each is the lowest number that is free. With O_PATH reads and writes go on to fail as on a closed one:
    // so whoever has something to print learns that nobody gets it, and nobody takes a missing input for an
    // empty one.
    int descriptor = STDIN_FILENO;
    while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = ::open("/", O_PATH | O_CLOEXEC);
    if (descriptor >= 0) ::close(descriptor);
}

}  // namespace quorate::io
