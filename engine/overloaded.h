#pragma once

// std::visit with a lambda for each alternative; a missing alternative does not compile.

namespace quorate::engine {

template <class... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace quorate::engine
