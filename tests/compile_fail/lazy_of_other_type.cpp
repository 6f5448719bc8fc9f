// expect: conversion from .*lazy<int>. to non-scalar type .*lazy<double>. requested
// expect-clang: no viable conversion from 'lazy<int>' to 'lazy<double>'

#include <dally/dally.hpp>

int main() {
  dally::lazy<int> x = 1;
#ifdef DALLY_CONTROL
  dally::lazy<double> y = x * 1.0;
#else
  dally::lazy<double> y = x;
#endif
}
