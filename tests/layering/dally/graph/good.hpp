#pragma once

#include "dally/core/formats.hpp"
#include "dally/version.hpp"
