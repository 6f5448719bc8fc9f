#pragma once

#include <vector>

#include "dally/graph/good.hpp"
