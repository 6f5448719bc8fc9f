#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dally/core/symbol.hpp"
#include "dally/delayed/argument.hpp"
#include "dally/serialize/codec.hpp"
#include "dally/serialize/codec_failure.hpp"

/// How a recorded call itself travels: its callable and its plain arguments, to processes of this program that were
/// forked before it was recorded. What it depends on travels beside it.
namespace dally::detail {

/// Addresses of functions and members are the same in all processes of a program, and what has no state is its type.
template <class T>
inline constexpr bool travels_as_bits = std::is_member_pointer_v<T> || std::is_null_pointer_v<T> ||
                                        (std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>) ||
                                        (std::is_empty_v<T> && std::is_trivially_copyable_v<T>);

template <class T>
constexpr bool is_bits() {
  if constexpr (travels_as_bits<T>) {
    return true;
  } else {
    return is_tight<T>::value;
  }
}

/// Text that a call was given as a pointer: the address will do for a string literal, and for nothing else.
template <class T>
inline constexpr bool is_text_pointer =
    std::is_same_v<T, char const*> || std::is_same_v<T, wchar_t const*> || std::is_same_v<T, char8_t const*> ||
    std::is_same_v<T, char16_t const*> || std::is_same_v<T, char32_t const*>;

/// What is an address, and must mean the same to the reader.
template <class T>
inline constexpr bool is_address =
    is_text_pointer<T> || (std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>);

/// What keeps a callable at home; no text if nothing does.
template <class F>
constexpr std::string_view callable_obstacle() {
  if constexpr (requires { typename F::stands_for; }) {
    return type_name<typename F::stands_for>();
  } else if constexpr (requires { typename F::precedes; }) {
    return callable_obstacle<typename F::precedes>();
  } else if constexpr (travels_as_bits<F>) {
    return {};
  } else {
    return obstacle_in<true, F>();
  }
}

/// What keeps an argument of type A at home.
template <class A>
constexpr std::string_view argument_obstacle() {
  using stored = typename argument<A>::stored;
  if constexpr (is_reference_wrapper<A>) {
    return type_name<A>();
  } else if constexpr (travels_as_bits<stored> || is_text_pointer<A> || std::is_same_v<stored, std::size_t>) {
    return {};
  } else {
    return obstacle_in<true, A>();
  }
}

/// What a codec writes, behind its length: so a codec that reads less, or more, harms no other part, and is named.
template <class T>
void write_coded(archive_writer& out, T const& part) {
  std::size_t const at = out.size();
  out.add_length(0);
  try {
    codec_t<T>::encode(out, part);
  } catch (...) {
    codec_failure::rethrow_as(codec_failure::act::writing, declared_name(type_name<T>()));
  }
  out.write_length(at, out.size() - at - sizeof(std::uint64_t));
}
template <class T>
T read_coded(archive_reader& in) {
  std::size_t const size = in.read_length();
  archive_reader own{in.view(size), size};
  try {
    T part = codec_t<T>::decode(own);
    if (own.left() != 0) archive_reader::fail("an archive holds more than its value");
    return part;
  } catch (...) {
    codec_failure::rethrow_as(codec_failure::act::reading, declared_name(type_name<T>()));
  }
}

/// Whose function `serialize` a callable needs to travel; no text if none.
template <class F>
constexpr std::string_view serialized_in_callable() {
  if constexpr (requires { typename F::precedes; }) {
    return serialized_in_callable<typename F::precedes>();
  } else if constexpr (travels_as_bits<F>) {
    return {};
  } else {
    return serialized_in<F>();
  }
}

/// Whose function `serialize` an argument of type A needs to travel.
template <class A>
constexpr std::string_view serialized_in_argument() {
  using stored = typename argument<A>::stored;
  if constexpr (travels_as_bits<stored> || is_text_pointer<A> || std::is_same_v<stored, std::size_t>) {
    return {};
  } else {
    return serialized_in<A>();
  }
}

template <class T>
void write_part(archive_writer& out, T const& part) {
  if constexpr (std::is_empty_v<T> && travels_as_bits<T>) {
  } else if constexpr (is_address<T>) {
    out.add_address(reinterpret_cast<void const*>(part));
  } else if constexpr (is_bits<T>()) {
    out.add_bytes(std::addressof(part), sizeof part);
  } else {
    detail::write_coded(out, part);
  }
}
template <class A>
void write_part(archive_writer& out, kept_whole<A> const& part) {
  write_part(out, part.value);
  write_part(out, part.lazies);
}

template <class T>
struct part_reader {
  static T read(archive_reader& in) {
    if constexpr (std::is_empty_v<T> && travels_as_bits<T>) {
      return std::bit_cast<T>(std::byte{});
    } else if constexpr (requires { typename T::precedes; }) {
      return T{part_reader<typename T::precedes>::read(in)};
    } else if constexpr (is_address<T> || is_bits<T>()) {
      std::array<std::byte, sizeof(T)> bytes;
      in.read_bytes(bytes.data(), sizeof(T));
      return std::bit_cast<T>(bytes);
    } else {
      return detail::read_coded<T>(in);
    }
  }
};
template <class A>
struct part_reader<kept_whole<A>> {
  static kept_whole<A> read(archive_reader& in) {
    return {part_reader<A>::read(in), part_reader<std::size_t>::read(in)};  // in this order, because of the braces
  }
};

template <class F>
void write_callable(archive_writer& out, F const& function) {
  if constexpr (requires { typename F::precedes; }) {
    write_callable(out, function.function);
  } else {
    write_part(out, function);
  }
}

/// The codec of payloads of type Call, a recorded_call of F with A... .
template <class Call, class F, class... A>
struct call_codec {
  static constexpr std::string_view obstacle() {
    std::string_view found = callable_obstacle<F>();
    static_cast<void>(((found.data() != nullptr || (found = argument_obstacle<A>(), found.data() != nullptr)) || ...));
    return found;
  }
  static constexpr std::string (*type_text)() = nullptr;  // no value of a type
  static constexpr std::string_view serialized() {
    std::string_view found = serialized_in_callable<F>();
    static_cast<void>(
        ((found.data() != nullptr || (found = serialized_in_argument<A>(), found.data() != nullptr)) || ...));
    return found;
  }
  static constexpr address_kind addresses = (is_text_pointer<A> || ... || false)                 ? address_kind::any
                                            : (is_address<F> || (is_address<A> || ... || false)) ? address_kind::code
                                                                                                 : address_kind::none;
  static void encode(archive_writer& out, void const* payload) {
    auto const& call = *static_cast<Call const*>(payload);
    write_callable(out, call.function);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (write_part(out, part_at<I>(call.kept)), ...);
    }(std::index_sequence_for<A...>{});
  }
  static void decode(archive_reader& in, void* payload) {
    ::new (payload) Call{part_reader<F>::read(in), {{part_reader<typename argument<A>::stored>::read(in)}...}};
  }
};

template <class Codec>
inline constexpr wire_type coded_call_wire{&Codec::encode, &Codec::decode, nullptr, 0, Codec::addresses};
template <class Codec>
inline constexpr wire_type refused_call_wire{nullptr, nullptr, Codec::obstacle().data(),
                                             static_cast<std::uint32_t>(Codec::obstacle().size())};

template <class Call, class F, class... A>
constexpr bool call_is_bits() {
  if constexpr (std::is_trivially_copyable_v<Call> && travels_as_bits<F> &&
                !((is_reference_wrapper<A> || is_address<A>) || ... || false)) {
    return (is_bits<typename argument<A>::stored>() && ... && true);
  } else {
    return false;
  }
}

template <class Call, class F, class... A>
constexpr wire_type const* call_wire_of() {
  if constexpr (call_is_bits<Call, F, A...>()) {
    return is_address<F> ? &code_call_wire : &bits_call_wire;
  } else {
    using codec = call_codec<Call, F, A...>;
    if constexpr (codec::obstacle().data() != nullptr) {
      return &refused_call_wire<codec>;
    } else if constexpr (codec::serialized().data() != nullptr) {
      return late_wire_of<codec>();
    } else {
      return &coded_call_wire<codec>;
    }
  }
}

}  // namespace dally::detail
