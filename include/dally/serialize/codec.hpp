#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "dally/core/fields.hpp"
#include "dally/core/refusal.hpp"
#include "dally/core/symbol.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec_std.hpp"
#include "dally/serialize/wrappers.hpp"

namespace dally {

/// How a T crosses a process border. Needed only for what dally does not know: specialise it for a type of your own,
/// where the type is declared:
///
///     template <> struct dally::codec<money> {
///       static void encode(dally::archive_writer& out, money const& m) { out(m.cents(), m.currency()); }
///       static money decode(dally::archive_reader& in) {
///         auto const cents = in.read<long>();
///         return money{cents, in.read<std::string>()};
///       }
///     };
///
/// Known already: arithmetic types, enums, strings, standard containers, arrays, pair, tuple, optional, variant,
/// unique_ptr, chrono's durations and time points, complex, bitset, path, error_code, aggregates of such (up to 32
/// fields; 12 if one is an array), and types with a function `serialize(Archive&)`, or `save` and `load`, as the users
/// of cereal and Boost.Serialization write it, a member or beside the type: `ar(a, b)`, `ar & a`, names, base classes,
/// size tags and raw bytes too. Refused: what points to something, views, and classes whose state cannot be told.
///
/// A function `serialize` may be written for an archive that can do more than ours, and then it does not compile. So it
/// is compiled only in files that include <dally/processes.hpp>: a program on threads needs none.
///
/// Bytes   those of this machine and this build; decoding believes none of them
/// Errors  archive_error
template <class T>
struct codec;

/// Whether the bytes of a T in memory are all there is to it. `template <> inline constexpr bool dally::bitwise<vec3> =
/// true;` lets a trivially copyable class with private members travel, and vectors of it in one piece.
template <class T>
inline constexpr bool bitwise = false;

/// A friend of a class that keeps its `serialize`, or its default constructor, private.
class access {
 public:
  /// What a function that asks for a version is told: it writes and reads all that the newest has.
  static constexpr unsigned newest_version = ~0U;

  template <class T>
  static constexpr bool makes = requires { T(); };
  template <class T>
  static T make() {
    return T();
  }

  template <class Archive, class T>
  static constexpr bool serializes = requires(Archive& ar, T& v) { v.serialize(ar); };
  template <class Archive, class T>
  static constexpr bool serializes_versions = requires(Archive& ar, T& v) { v.serialize(ar, newest_version); };
  template <class Archive, class T>
  static constexpr bool saves = requires(Archive& ar, T const& v) { v.save(ar); };
  template <class Archive, class T>
  static constexpr bool loads = requires(Archive& ar, T& v) { v.load(ar); };
  template <class Archive, class T>
  static void serialize(Archive& ar, T& v) {
    if constexpr (serializes<Archive, T>) {
      v.serialize(ar);
    } else {
      v.serialize(ar, newest_version);
    }
  }
  template <class Archive, class T>
  static void save(Archive& ar, T const& v) {
    v.save(ar);
  }
  template <class Archive, class T>
  static void load(Archive& ar, T& v) {
    v.load(ar);
  }

  /// Whether a T's function is its base's, which does not know what T adds.
  template <class Archive, class T>
  static constexpr bool inherits_serialize() {
    if constexpr (requires { &T::template serialize<Archive>; }) {
      return !decltype(is_member_of<T>(&T::template serialize<Archive>))::value;  // its body is not looked into
    } else {
      return false;
    }
  }

 private:
  template <class T, class Function>
  static std::true_type is_member_of(Function T::*);
  template <class T>
  static std::false_type is_member_of(...);
};

namespace detail {

/// Of handles of a graph: they name what only the process that recorded it has. As parts of a recorded argument they
/// travel all the same, as nothing: what they stand for comes with the call.
template <class T>
inline constexpr bool names_graph = false;

template <class T>
concept has_codec = requires(archive_writer& out, archive_reader& in, T const& v) {
  codec<T>::encode(out, v);
  { codec<T>::decode(in) } -> std::same_as<T>;
};
template <class T>
concept has_member =
    (access::serializes<serialize_writer, T> && access::serializes<serialize_reader, T>) ||
    (access::serializes_versions<serialize_writer, T> && access::serializes_versions<serialize_reader, T>);
/// A pair of members as cereal's users write it.
template <class T>
concept has_member_pair = access::saves<serialize_writer, T> && access::loads<serialize_reader, T>;

void serialize() = delete;  // only what a type's own namespace brings is found below
template <class T>
concept has_plain_function = requires(serialize_writer& out, serialize_reader& in, T& v) {
  serialize(out, v);
  serialize(in, v);
};
template <class T>
concept has_versioned_function = requires(serialize_writer& out, serialize_reader& in, T& v) {
  serialize(out, v, access::newest_version);
  serialize(in, v, access::newest_version);
};
template <class T>
concept has_function = has_plain_function<T> || has_versioned_function<T>;

/// Calls the function `serialize` of a T; of a pair of members the one that fits the archive.
template <class Archive, class T>
void call_serialize(Archive& ar, T& v) {
  if constexpr (has_member<T>) {
    access::serialize(ar, v);
  } else if constexpr (has_plain_function<T>) {
    serialize(ar, v);
  } else if constexpr (has_versioned_function<T>) {
    serialize(ar, v, access::newest_version);
  } else if constexpr (Archive::is_saving::value) {
    access::save(ar, v);
  } else {
    access::load(ar, v);
  }
}

/// What the user says. One byte for what says nothing, so that a length never exceeds the bytes that follow it.
/// `Serialize`: by a function `serialize`, else by a codec.
template <class T, bool Serialize>
struct custom_codec {
  using parts = type_list<>;
  static void encode(archive_writer& out, T const& v) {
    std::size_t const before = out.size();
    if constexpr (Serialize) {
      serialize_writer ar{out};
      call_serialize(ar, const_cast<T&>(v));  // one function reads and writes; writing, it changes nothing
      out = ar;
    } else {
      codec<T>::encode(out, v);
    }
    if (out.size() == before) out.add(false);
  }
  static T decode(archive_reader& in) {
    if constexpr (Serialize) {
      T v = access::make<T>();
      read_here(in, v);
      return v;
    } else {
      archive_reader::level const here{in};
      skipping const rest{in};
      return codec<T>::decode(in);
    }
  }
  /// Into a value that is there.
  static void read_here(archive_reader& in, T& v)
    requires Serialize
  {
    archive_reader::level const here{in};
    skipping const rest{in};
    serialize_reader ar{in};
    call_serialize(ar, v);
    in = ar;
  }

 private:
  /// Skips the byte that stands for nothing.
  class skipping {
   public:
    explicit skipping(archive_reader& in) : in_{in}, before_{in.left()} {
      if (before_ == 0) archive_reader::fail("an archive ends too early");
    }
    ~skipping() {
      if (in_.left() == before_) static_cast<void>(in_.view(1));
    }
    skipping(skipping const&) = delete;
    skipping& operator=(skipping const&) = delete;

   private:
    archive_reader& in_;
    std::size_t before_;
  };
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // of a number to a bit-field, which held it before

/// Field by field.
template <class T>
struct aggregate_codec {
  using parts = fields_t<T>;

  static void encode(archive_writer& out, T const& v) {
    with_fields(v, [&](auto const&... field) { (out.add(field), ...); });
  }
  static T decode(archive_reader& in) {
    if constexpr (made_of_values(parts{})) {
      return from_values(in, parts{});
    } else {
      T v{};
      with_fields(v, [&](auto&... field) { (in.read_into(field), ...); });
      return v;
    }
  }

 private:
  template <class... Field>
  static constexpr bool made_of_values(type_list<Field...>) {
    return !(std::is_array_v<Field> || ...);
  }
  template <class... Field>
  static T from_values(archive_reader& in, type_list<Field...>) {
    if constexpr (requires { T{std::declval<Field>()...}; }) {
      return T{in.read<Field>()...};
    } else {
      return T(in.read<Field>()...);  // bit-fields, to which braces do not narrow; read in this order, too
    }
  }

 public:
  /// Arrays are read in place, which bit-fields do not allow.
  static constexpr bool works() {
    if constexpr (made_of_values(parts{})) {
      return true;
    } else if constexpr (std::is_default_constructible_v<T>) {
      return decltype(refers_to_fields(std::declval<T&>()))::value;
    } else {
      return false;
    }
  }
};

#pragma GCC diagnostic pop

struct refused_codec {
  using parts = type_list<>;
};

template <class T>
constexpr bool tight_aggregate() {
  if constexpr (!std::is_trivially_copyable_v<T>) {
    return false;
  } else {
    return []<class... Field>(type_list<Field...>) {
      return (is_tight<Field>::value && ...) && (sizeof(Field) + ...) == sizeof(T);
    }(fields_t<T>{});
  }
}

/// The codec of a T, an object of its class. Does not look into T's parts, so a type may contain its own kind.
template <class T>
constexpr auto choose_codec() {
  if constexpr (std::is_same_v<T, bool>) {
    return truth_codec<T>{};
  } else if constexpr (std::is_same_v<T, long double>) {
    return extended_codec{};
  } else if constexpr (std::is_arithmetic_v<T>) {
    return bits_codec<T>{};
  } else if constexpr (std::is_enum_v<T>) {
    if constexpr (std::is_same_v<std::underlying_type_t<T>, bool>) {
      return truth_codec<T>{};
    } else {
      return bits_codec<T>{};
    }
  } else if constexpr (std::is_bounded_array_v<T>) {
    if constexpr (is_tight<std::remove_extent_t<T>>::value) {
      return bits_codec<T>{};
    } else {
      return elements_codec<T>{};
    }
  } else if constexpr (!std::is_class_v<T> || !std::is_same_v<T, std::remove_cv_t<T>>) {
    return refused_codec{};
  } else if constexpr (has_codec<T>) {
    return custom_codec<T, false>{};
  } else if constexpr (bitwise<T>) {
    static_assert(std::is_trivially_copyable_v<T>, "dally: bitwise<T> is for trivially copyable types");
    return bits_codec<T>{};
  } else if constexpr (has_member<T>) {
    if constexpr (access::makes<T> && !access::inherits_serialize<serialize_writer, T>()) {
      return custom_codec<T, true>{};
    } else {
      return refused_codec{};
    }
  } else if constexpr (has_function<T>) {
    if constexpr (access::makes<T>) {
      return custom_codec<T, true>{};
    } else {
      return refused_codec{};
    }
  } else if constexpr (coded_array<T>) {
    using element = typename T::value_type;
    if constexpr (is_tight<element>::value && sizeof(T) == std::tuple_size_v<T> * sizeof(element)) {
      return bits_codec<T>{};
    } else {
      return elements_codec<T>{};
    }
  } else if constexpr (is_variant_type<T>) {
    return variant_codec<T>{};
  } else if constexpr (is_unique_pointer<T>) {
    if constexpr (pointer_codec<T>::works) {
      return pointer_codec<T>{};
    } else {
      return refused_codec{};
    }
  } else if constexpr (coded_truths<T>) {
    return truths_codec<T>{};
  } else if constexpr (coded_associative<T>) {
    return associative_codec<T>{};
  } else if constexpr (coded_sequence<T>) {
    return sequence_codec<T>{};
  } else if constexpr (coded_forward<T>) {
    return forward_codec<T>{};
  } else if constexpr (coded_product<T>) {
    return product_codec<T>{};
  } else if constexpr (coded_optional<T>) {
    return optional_codec<T>{};
  } else if constexpr (is_duration<T>) {
    if constexpr (is_tight<typename T::rep>::value) {
      return bits_codec<T>{};
    } else {
      return duration_codec<T>{};
    }
  } else if constexpr (is_moment<T>) {
    if constexpr (is_tight<typename T::duration>::value) {
      return bits_codec<T>{};
    } else {
      return moment_codec<T>{};
    }
  } else if constexpr (coded_complex<T>) {
    if constexpr (is_tight<typename T::value_type>::value && sizeof(T) == 2 * sizeof(typename T::value_type)) {
      return bits_codec<T>{};
    } else {
      return complex_codec<T>{};
    }
  } else if constexpr (coded_bitset<T>) {
    return bitset_codec<T>{};
  } else if constexpr (coded_path<T>) {
    return path_codec<T>{};
  } else if constexpr (std::is_same_v<T, std::error_code> || std::is_same_v<T, std::error_condition>) {
    return code_codec<T>{};
  } else if constexpr (std::is_empty_v<T> || coded_nothing<T>) {
    // A monostate, a tag, a lambda without captures; not what its constructor gives a meaning.
    if constexpr ((std::is_trivially_copyable_v<T> && std::is_trivially_default_constructible_v<T>) ||
                  coded_nothing<T>) {
      return empty_codec<T>{};
    } else {
      return refused_codec{};
    }
  } else if constexpr (plain_aggregate<T>) {
    if constexpr (tight_aggregate<T>()) {
      return bits_codec<T>{};
    } else if constexpr (aggregate_codec<T>::works()) {
      return aggregate_codec<T>{};
    } else {
      return refused_codec{};
    }
  } else if constexpr (has_member_pair<T> && access::makes<T>) {
    return custom_codec<T, true>{};
  } else {
    return refused_codec{};
  }
}

template <class T>
using codec_t = decltype(choose_codec<T>());

template <class T>
struct is_tight : std::is_same<codec_t<T>, bits_codec<T>> {};

/// The first type that cannot travel among a type and its parts; no text if all can. `Recorded`: as part of a recorded
/// argument, where lazies may.
template <bool Recorded, class T, class... Seen>
constexpr std::string_view obstacle_in() {
  if constexpr ((std::is_same_v<T, Seen> || ...)) {
    return {};  // inside itself, as in a tree: it is being looked at
  } else if constexpr (names_graph<T>) {
    return Recorded ? std::string_view{} : type_name<T>();
  } else if constexpr (std::is_same_v<codec_t<T>, refused_codec>) {
    return type_name<T>();
  } else {
    return []<class... Part>(type_list<Part...>) {
      std::string_view found;
      static_cast<void>(((found = obstacle_in<Recorded, Part, T, Seen...>(), found.data() != nullptr) || ... || false));
      return found;
    }(typename codec_t<T>::parts{});
  }
}
template <class T>
constexpr std::string_view obstacle() {
  return obstacle_in<false, T>();
}

/// The first type among a type and its parts that travels by a function `serialize`; no text if none does.
template <class T, class... Seen>
constexpr std::string_view serialized_in() {
  if constexpr ((std::is_same_v<T, Seen> || ...) || names_graph<T>) {
    return {};
  } else if constexpr (std::is_same_v<codec_t<T>, custom_codec<T, true>>) {
    return type_name<T>();
  } else {
    return []<class... Part>(type_list<Part...>) {
      std::string_view found;
      static_cast<void>(((found = serialized_in<Part, T, Seen...>(), found.data() != nullptr) || ... || false));
      return found;
    }(typename codec_t<T>::parts{});
  }
}

template <class T>
constexpr bool is_serialized_in_place() {
  if constexpr (std::is_class_v<T>) {
    return (has_member<T> || has_function<T>) && std::is_same_v<codec_t<T>, refused_codec>;
  } else {
    return false;
  }
}

template <class T>
void write_in_place(archive_writer& out, T const& v) {
  if constexpr (has_member<T> || has_function<T>) {
    custom_codec<T, true>::encode(out, v);
  } else {
    out.add(v);
  }
}
template <class T>
void read_in_place(archive_reader& in, T& v) {
  if constexpr (has_member<T> || has_function<T>) {
    custom_codec<T, true>::read_here(in, v);
  } else {
    in.read_into(v);
  }
}

template <class T>
DALLY_REFUSES("a value of this type cannot cross process borders; specialise dally::codec for it, or for what holds it")
constexpr void refuse_codec() {}

}  // namespace detail

/// Whether values of type T can be written as bytes and read again.
template <class T>
concept serializable = detail::obstacle<T>().data() == nullptr;

/// Whether what a task returns as T can cross a process border: `static_assert(dally::portable<decltype(f())>);`
template <class T>
concept portable = std::is_void_v<T> || serializable<std::decay_t<T>>;

template <class T>
void archive_writer::add(T const& value) {
  if constexpr (std::is_same_v<detail::codec_t<T>, detail::refused_codec>) {
    detail::refuse_codec<T>();
  } else {
    detail::codec_t<T>::encode(*this, value);
  }
}

template <class T>
T archive_reader::read() {
  if constexpr (std::is_same_v<detail::codec_t<T>, detail::refused_codec>) {
    detail::refuse_codec<T>();
  } else {
    return detail::codec_t<T>::decode(*this);
  }
}

template <class T>
void archive_reader::read_into(T& value) {
  if constexpr (requires { detail::codec_t<T>::decode_into(*this, value); }) {
    detail::codec_t<T>::decode_into(*this, value);
  } else {
    value = read<T>();
  }
}

template <class... T>
archive_writer& archive_writer::operator()(T const&... values) {
  (detail::write_item(*this, values), ...);
  return *this;
}

template <class... T>
archive_reader& archive_reader::operator()(T&&... values) {
  (detail::read_item(*this, values), ...);
  return *this;
}

/// Which addresses are among the bytes of something.
enum class address_kind : unsigned char {
  none,
  code,  ///< of functions: every process has them that was forked after they were loaded
  any    ///< of text too, which may lie anywhere
};

/// How the values of one type, or the recorded calls of one kind, cross a process border, for those who do not know the
/// type.
struct wire_type {
  void (*encode)(archive_writer& out, void const* value);  // null: the bytes in memory, which are all there is to it
  void (*decode)(archive_reader& in, void* to);            // constructs at `to`
  char const* obstacle;  // the type that stands in the way, as type_name spells it; null where none does
  std::uint32_t obstacle_length;
  address_kind addresses = address_kind::none;  // where bytes in memory hold one of code, they begin with it
  std::string (*type)() = nullptr;  // of values that a codec writes, as a reader would write it: for messages
  bool late = false;                // the obstacle has a function `serialize` that no file of the program has compiled
};

namespace detail {

template <class T>
void encode_value(archive_writer& out, void const* value) {
  codec_t<T>::encode(out, *static_cast<T const*>(value));
}
template <class T>
void decode_value(archive_reader& in, void* to) {
  ::new (to) T(codec_t<T>::decode(in));
}

inline void encode_nothing(archive_writer& out, void const*) { truth_codec<bool>::encode(out, false); }
inline void decode_nothing(archive_reader& in, void*) { static_cast<void>(in.view(1)); }

inline constexpr wire_type bits_wire{nullptr, nullptr, nullptr, 0};
inline constexpr wire_type empty_wire{&encode_nothing, &decode_nothing, nullptr, 0};
template <class T>
[[gnu::cold]] std::string value_type_text() {
  return declared_name(type_name<T>());
}
template <class T>
inline constexpr wire_type coded_wire{&encode_value<T>,   &decode_value<T>,   nullptr, 0,
                                      address_kind::none, &value_type_text<T>};
template <class T>
inline constexpr wire_type refused_wire{nullptr, nullptr, obstacle<T>().data(),
                                        static_cast<std::uint32_t>(obstacle<T>().size())};

// Of recorded calls: whose payloads are their bytes, the same with a function's address first, and what another node
// has recorded, which travels in its stead.
inline constexpr wire_type bits_call_wire{nullptr, nullptr, nullptr, 0};
inline constexpr wire_type code_call_wire{nullptr, nullptr, nullptr, 0, address_kind::code};
inline constexpr wire_type again_call_wire{nullptr, nullptr, nullptr, 0};

/// The table of what travels by a function `serialize`: `Codec` knows how, and `serialized()` tells whose function it
/// is. The one table there is for all files of a program, filled in before main by those that compile the function.
template <class Codec>
inline constinit wire_type late_wire{nullptr,
                                     nullptr,
                                     Codec::serialized().data(),
                                     static_cast<std::uint32_t>(Codec::serialized().size()),
                                     address_kind::none,
                                     Codec::type_text,
                                     true};

/// Fills in late_wire<Codec>. Defined in files that include <dally/processes.hpp>.
template <class Codec>
struct compiled_late;

template <class Codec>
constexpr wire_type const* late_wire_of() {
  if constexpr (requires { sizeof(compiled_late<Codec>); }) static_cast<void>(&compiled_late<Codec>::done);
  return &late_wire<Codec>;
}

template <class T>
struct value_codec {
  static constexpr address_kind addresses = address_kind::none;
  static constexpr std::string (*type_text)() = &value_type_text<T>;
  static constexpr std::string_view serialized() { return serialized_in<T>(); }
  static void encode(archive_writer& out, void const* value) { encode_value<T>(out, value); }
  static void decode(archive_reader& in, void* to) { decode_value<T>(in, to); }
};

template <class T>
constexpr wire_type const* wire_of() {
  if constexpr (is_tight<T>::value) {
    return &bits_wire;
  } else if constexpr (std::is_same_v<codec_t<T>, empty_codec<T>>) {
    return &empty_wire;
  } else if constexpr (!serializable<T>) {
    return &refused_wire<T>;
  } else if constexpr (serialized_in<T>().data() != nullptr) {
    return late_wire_of<value_codec<T>>();
  } else {
    return &coded_wire<T>;
  }
}

}  // namespace detail

/// The table of `T`, the same in every translation unit. Shared by all types that are their bytes.
template <class T>
inline constexpr wire_type const* wire_type_of = detail::wire_of<T>();

}  // namespace dally
