#pragma once

/// Pictures as .svg, .png and .pdf, by Graphviz: include it in one file of the program, and link dally::graphviz.

#include "dally/visualize/dot.hpp"
#include "dally/visualize/render.hpp"
