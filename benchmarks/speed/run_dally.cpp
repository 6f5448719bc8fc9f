// Dally's part of the suite, compiled alone, as a program's own tasks are: among everything else that the suite
// contains, GCC reaches its limit of how much inlining may add to a translation unit, and calls what records a node.

#include "speed/run_dally.hpp"

#include "speed/shapes.hpp"
#include "speed/work.hpp"

namespace speed {

template phases run_dally<no_work>(shape const& s, unsigned threads);
template phases run_dally<busy>(shape const& s, unsigned threads);

}  // namespace speed
