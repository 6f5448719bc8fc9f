#pragma once

#include <dally/dally.hpp>
