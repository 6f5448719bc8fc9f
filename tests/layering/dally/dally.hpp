#pragma once

#include "dally/graph/good.hpp"
