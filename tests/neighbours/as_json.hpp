#pragma once

#include <cstdio>
#include <string>
#include <string_view>

/// As a string of JSON's.
inline std::string as_json(std::string_view text) {
  std::string all = "\"";
  for (char const c : text) {
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned char>(c));
    bool const plain = static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
    all += plain ? std::string(1, c) : code;
  }
  return all + '"';
}
