#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "dally/serialize/archive.hpp"

/// What cereal and Boost wrap values in before they hand them to an archive: names, base classes, sizes, raw bytes.
/// Known by their shape, so that this needs no header of theirs.
namespace dally::detail {

/// What cereal::base_class, virtual_base_class make: a class template of the base alone, with a pointer to it.
template <class W>
struct wrapped_base {
  static constexpr bool found = false;
};
template <template <class> class C, class Base>
  requires(std::is_class_v<Base> &&
           requires(C<Base> const& w) {
             { w.base_ptr } -> std::same_as<Base* const&>;
           })
struct wrapped_base<C<Base>> {
  static constexpr bool found = true;
  static Base& of(C<Base> const& w) { return *w.base_ptr; }
};
template <template <class> class C, class Base>
  requires(std::is_class_v<Base> &&
           requires(C<Base> const& w) {
             { w.base } -> std::same_as<Base* const&>;
           })
struct wrapped_base<C<Base>> {
  static constexpr bool found = true;
  static Base& of(C<Base> const& w) { return *w.base; }
};

/// cereal::make_nvp: only the value counts.
template <class W>
concept named_value = requires(W& w) {
  { w.name } -> std::convertible_to<char const*>;
  w.value;
} && (std::is_reference_v<decltype(W::value)> || wrapped_base<std::remove_cv_t<decltype(W::value)>>::found);

/// boost::serialization::make_nvp.
template <class W>
concept named_reference = requires(W& w) {
  { w.name() } -> std::same_as<char const*>;
  w.const_value();
} && std::is_lvalue_reference_v<decltype(std::declval<W&>().value())>;

/// cereal::make_map_item.
template <class W>
concept key_and_value = requires(W& w) {
  w.key;
  w.value;
} && std::is_reference_v<decltype(W::key)> && std::is_reference_v<decltype(W::value)>;

/// cereal::defer: written and read at once.
template <class W>
concept deferred_value = !named_value<W> && !key_and_value<W> && requires(W& w) { w.value; } &&
                         std::is_reference_v<decltype(W::value)> && sizeof(W) == sizeof(void*);

/// cereal::make_size_tag.
template <class W>
inline constexpr bool is_size_tag = false;
template <template <class> class C, class N>
  requires(std::is_integral_v<std::remove_reference_t<N>> && !std::is_same_v<std::remove_reference_t<N>, bool> &&
           sizeof(C<N>) == sizeof(std::uint64_t) &&
           requires(C<N>& w) {
             { w.size } -> std::same_as<std::remove_reference_t<N>&>;
           })
inline constexpr bool is_size_tag<C<N>> = true;

/// cereal::binary_data.
template <class W>
inline constexpr bool is_raw_bytes = false;
template <template <class> class C, class P>
  requires requires(C<P>& w) {
    { w.data } -> std::convertible_to<void const*>;
    { w.size } -> std::convertible_to<std::size_t>;
    requires std::is_void_v<std::remove_pointer_t<decltype(w.data)>>;
  }
inline constexpr bool is_raw_bytes<C<P>> = true;

/// boost::serialization::make_array.
template <class W>
concept array_of_known_place = requires(W& w) {
  { *w.address() };
  { w.count() } -> std::same_as<std::size_t>;
} && std::is_pointer_v<decltype(std::declval<W&>().address())>;

// Defined in codec.hpp. A wrapper with a `serialize` of its own: what has one, and no codec.
template <class T>
constexpr bool is_serialized_in_place();
template <class T>
inline constexpr bool serialized_in_place = is_serialized_in_place<T>();
// A value where it is, by its function `serialize` if it has one.
template <class T>
void write_in_place(archive_writer& out, T const& v);
template <class T>
void read_in_place(archive_reader& in, T& v);

/// Writes what a function `serialize` hands to its archive.
template <class V>
void write_item(archive_writer& out, V const& v) {
  using item = V;
  if constexpr (named_value<item const>) {
    write_item(out, static_cast<std::remove_reference_t<decltype(v.value)> const&>(v.value));
  } else if constexpr (named_reference<item const>) {
    write_item(out, static_cast<std::remove_reference_t<decltype(v.value())> const&>(v.value()));
  } else if constexpr (wrapped_base<item>::found) {
    write_in_place(out, wrapped_base<item>::of(v));
  } else if constexpr (key_and_value<item const>) {
    write_item(out, static_cast<std::remove_reference_t<decltype(v.key)> const&>(v.key));
    write_item(out, static_cast<std::remove_reference_t<decltype(v.value)> const&>(v.value));
  } else if constexpr (deferred_value<item const>) {
    write_item(out, static_cast<std::remove_reference_t<decltype(v.value)> const&>(v.value));
  } else if constexpr (is_size_tag<item>) {
    out.add_length(static_cast<std::size_t>(v.size));
  } else if constexpr (is_raw_bytes<item>) {
    out.add_bytes(v.data, static_cast<std::size_t>(v.size));
  } else if constexpr (array_of_known_place<item const>) {
    for (std::size_t i = 0; i < v.count(); ++i) out.add(v.address()[i]);
  } else if constexpr (serialized_in_place<item>) {
    write_in_place(out, v);
  } else {
    out.add(v);
  }
}

/// Reads it again.
template <class V>
void read_item(archive_reader& in, V& v) {
  using item = std::remove_const_t<V>;
  if constexpr (named_value<V>) {
    read_item(in, v.value);
  } else if constexpr (named_reference<V>) {
    read_item(in, v.value());
  } else if constexpr (wrapped_base<item>::found) {
    read_in_place(in, wrapped_base<item>::of(v));
  } else if constexpr (key_and_value<V>) {
    read_item(in, v.key);
    read_item(in, v.value);
  } else if constexpr (deferred_value<V>) {
    read_item(in, v.value);
  } else if constexpr (is_size_tag<item>) {
    std::uint64_t size = 0;
    in.read_bytes(&size, sizeof size);
    v.size = static_cast<std::remove_reference_t<decltype(v.size)>>(size);
  } else if constexpr (is_raw_bytes<item>) {
    in.read_bytes(v.data, static_cast<std::size_t>(v.size));
  } else if constexpr (array_of_known_place<V>) {
    for (std::size_t i = 0; i < v.count(); ++i) in.read_into(v.address()[i]);
  } else if constexpr (serialized_in_place<item>) {
    read_in_place(in, const_cast<item&>(v));  // a wrapper of Boost's, which are const
  } else {
    in.read_into(v);
  }
}

}  // namespace dally::detail
