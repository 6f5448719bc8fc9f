#pragma once

#include "dally/graph/nowhere.hpp"
