// A library with tasks, loaded by a test after it has made a pool.

#include <dally/dally.hpp>

extern "C" int late_function(int x) { return x + 42; }

extern "C" char const* late_text() { return "a late literal"; }

extern "C" void record_late_task(dally::lazy<int>& to) {
  to = dally::delayed([](int x) { return x + 41; })(1);
}
