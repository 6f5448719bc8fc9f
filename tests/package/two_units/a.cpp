#include <dally/dally.hpp>
#include <dally/processes.hpp>

dally::lazy<int> doubled(dally::lazy<int> const& x);

int main() { return doubled(dally::lazy{21}).compute() == 42 ? 0 : 1; }
