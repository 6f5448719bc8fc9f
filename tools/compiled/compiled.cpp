// The functions of dally that programs with DALLY_COMPILED do not compile themselves. Any file of a program may be this
// one: it defines DALLY_IMPLEMENTATION before it includes the headers that the program uses.
#define DALLY_IMPLEMENTATION
#include "dally/dally.hpp"
#include "dally/processes.hpp"
