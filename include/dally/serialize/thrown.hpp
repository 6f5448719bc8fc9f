#pragma once

#include <cxxabi.h>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <typeinfo>

#include "dally/core/function.hpp"
#include "dally/core/symbol.hpp"

/// What is known of the exception being handled, whatever it is.
namespace dally::detail {

/// Room for the digits of a thrown number.
using thrown_digits = char[24];

/// What it says of itself: text that lives as long as it does, or as `digits`. Asks for no memory, of which there may
/// be none.
[[gnu::cold]] DALLY_FUNCTION std::string_view thrown_text(thrown_digits& digits) noexcept {
  try {
    throw;
  } catch (std::exception const& e) {
    char const* const text = e.what();
    return text != nullptr ? text : "";
  } catch (std::string const& text) {
    return text;
  } catch (char const* text) {
    return text != nullptr ? text : "";
  } catch (int number) {
    return {digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%d", number))};
  } catch (...) {
    return {};
  }
}

/// The name of its type as the compiler spells it; "" for one of another language.
[[gnu::cold]] DALLY_FUNCTION char const* thrown_type() noexcept {
  std::type_info const* const type = abi::__cxa_current_exception_type();
  return type == nullptr ? "" : type->name();
}

/// Such a name as a reader would write it.
[[gnu::cold]] DALLY_FUNCTION std::string readable_type(char const* name) {
  return *name == '\0' ? "an exception of another language" : demangle(name);
}

}  // namespace dally::detail
