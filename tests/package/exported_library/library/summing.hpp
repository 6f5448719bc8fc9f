#pragma once

#include <dally/dally.hpp>

dally::lazy<int> sum_header_only(dally::lazy<int> const& a, dally::lazy<int> const& b);
dally::lazy<int> sum_compiled(dally::lazy<int> const& a, dally::lazy<int> const& b);
