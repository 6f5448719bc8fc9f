// One file that includes the renderer serves the whole program.

#include <dally/visualize.hpp>
