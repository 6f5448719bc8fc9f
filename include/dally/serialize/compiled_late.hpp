#pragma once

#include "dally/serialize/codec.hpp"

namespace dally::detail {

/// Compiles what travels by a function `serialize` in files that include this, and fills in its table before main. What
/// such a file records is looked at, so this stands before it.
template <class Codec>
struct compiled_late {
  static inline bool const done =
      (late_wire<Codec> = wire_type{&Codec::encode, &Codec::decode, nullptr, 0, Codec::addresses, Codec::type_text},
       true);
};

}  // namespace dally::detail
