#pragma once

// Standard input, output and error of a process that was started without some of them.

namespace quorate::io {

/// Puts into the place of each that is closed what can neither be read nor written. Otherwise the first files
/// that are opened get their numbers, and whatever is printed goes into one of them. Before any other file.
void hold_standard_descriptors();

}  // namespace quorate::io
