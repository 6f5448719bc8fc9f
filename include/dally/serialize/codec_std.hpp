#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "dally/core/fields.hpp"
#include "dally/serialize/archive.hpp"

/// The standard library's types as bytes. Known by their shape, so that this needs no header of theirs, and whatever
/// has the shape of a vector is one. Each codec names the `parts` that must be able to travel for the whole to.
namespace dally::detail {

/// Whether the bytes of a T in memory are its codec's: bits_codec is chosen for it.
template <class T>
struct is_tight;

// ---- in one piece ---------------------------------------------------------------------------------------------------

/// Arrays are not returned, only read into.
template <class T>
using returned_t = std::conditional_t<std::is_array_v<T>, void, T>;

/// As it lies in memory.
template <class T>
struct bits_codec {
  using parts = type_list<>;
  static void encode(archive_writer& out, T const& v) { out.add_bytes(std::addressof(v), sizeof v); }
  static returned_t<T> decode(archive_reader& in) {
    if constexpr (std::is_default_constructible_v<T>) {
      T v;
      decode_into(in, v);
      return v;
    } else {
      struct {
        alignas(T) std::byte bytes[sizeof(T)];
      } raw;
      in.read_bytes(raw.bytes, sizeof raw.bytes);
      return __builtin_bit_cast(T, raw);
    }
  }
  static void decode_into(archive_reader& in, T& v) { in.read_bytes(static_cast<void*>(std::addressof(v)), sizeof v); }
};

/// bool, and enums of it: other bytes than 0 and 1 are none.
template <class T>
struct truth_codec {
  using parts = type_list<>;
  static void encode(archive_writer& out, T v) {
    auto const byte = static_cast<unsigned char>(v);
    out.add_bytes(&byte, 1);
  }
  static T decode(archive_reader& in) {
    unsigned char byte = 0;
    in.read_bytes(&byte, 1);
    if (byte > 1) [[unlikely]]
      archive_reader::fail("an archive holds a bool that is neither true nor false");
    return static_cast<T>(byte != 0);
  }
};

/// A long double, its padding as zeros.
struct extended_codec {
  using parts = type_list<>;
  static constexpr std::size_t used = std::numeric_limits<long double>::digits == 64 ? 10 : sizeof(long double);
  static void encode(archive_writer& out, long double v) {
    std::byte bytes[sizeof v] = {};
    std::memcpy(bytes, &v, used);
    out.add_bytes(bytes, sizeof bytes);
  }
  static long double decode(archive_reader& in) {
    long double v = 0;
    in.read_bytes(&v, sizeof v);
    return v;
  }
};

/// Nothing but its type: one byte, so that a length never exceeds the bytes that follow it.
template <class T>
struct empty_codec {
  using parts = type_list<>;
  static void encode(archive_writer& out, T const&) { truth_codec<bool>::encode(out, false); }
  static T decode(archive_reader& in) {
    static_cast<void>(in.view(1));
    return T();
  }
};

template <class T>
concept coded_nothing = requires { requires std::tuple_size<T>::value == 0; } && std::is_default_constructible_v<T>;

// ---- containers -----------------------------------------------------------------------------------------------------

/// Pushes what could be a view off: it has no allocator.
template <class C>
concept coded_container = requires(C& c) {
  typename C::allocator_type;
  typename C::value_type;
  c.begin() != c.end();
} && std::is_default_constructible_v<C>;

template <class C>
concept coded_sequence = coded_container<C> && requires(C& c, typename C::value_type& v) {
  c.push_back(static_cast<typename C::value_type&&>(v));
  c.size();
};
template <class C>
concept coded_truths =
    coded_sequence<C> && std::is_same_v<typename C::value_type, bool> && !std::is_same_v<typename C::reference, bool&>;
template <class C>
concept coded_forward = coded_container<C> && requires(C& c, typename C::value_type& v) {
  c.insert_after(c.before_begin(), static_cast<typename C::value_type&&>(v));
};

/// What compares or hashes keys starts anew on the other side, so it must have no state.
template <class C>
concept coded_ordered =
    coded_container<C> && requires { typename C::key_compare; } && std::is_empty_v<typename C::key_compare>;
template <class C>
concept coded_hashed = coded_container<C> && requires(C& c) {
  typename C::key_equal;
  c.rehash(c.bucket_count());
} && std::is_empty_v<typename C::hasher> && std::is_empty_v<typename C::key_equal>;
template <class C>
concept coded_associative = (coded_ordered<C> || coded_hashed<C>) && requires { typename C::key_type; };

/// vector, string, deque, list.
template <class C>
struct sequence_codec {
  using element = typename C::value_type;
  using parts = type_list<element>;

  static constexpr bool in_one_piece = is_tight<element>::value && requires(C& c) {
    { c.data() } -> std::same_as<element*>;
  };

  static void encode(archive_writer& out, C const& c) {
    out.add_length(c.size());
    if constexpr (in_one_piece) {
      out.add_bytes(c.data(), c.size() * sizeof(element));
    } else {
      for (element const& e : c) out.add(e);
    }
  }
  static C decode(archive_reader& in) {
    if constexpr (in_one_piece) {
      std::size_t const count = in.read_length(sizeof(element));
      std::byte const* const from = in.view(count * sizeof(element));
      if constexpr (std::is_constructible_v<C, element const*, element const*>) {
        // One pass over memory where two would be needed to resize and copy.
        if (reinterpret_cast<std::uintptr_t>(from) % alignof(element) == 0) {
          auto const* const first = reinterpret_cast<element const*>(from);
          return C(first, first + count);
        }
      }
      if constexpr (requires(C& c) { c.resize(count); }) {
        C c;
        c.resize(count);
        if (count != 0) std::memcpy(static_cast<void*>(c.data()), from, count * sizeof(element));
        return c;
      } else {
        archive_reader again{from, count * sizeof(element)};
        return elements(again, count);
      }
    } else {
      return elements(in, in.read_length());
    }
  }

 private:
  static C elements(archive_reader& in, std::size_t count) {
    archive_reader::level const here{in};
    C c;
    if constexpr (requires { c.reserve(count); }) {
      // Memory only for what the bytes can hold, whatever they claim; more elements make it grow as usual.
      std::size_t const plausible = in.left() / sizeof(element) * 4 + 4;
      c.reserve(count < plausible ? count : plausible);
    }
    for (std::size_t i = 0; i < count; ++i) c.push_back(in.read<element>());
    return c;
  }
};

/// vector<bool>: eight to the byte.
template <class C>
struct truths_codec {
  using parts = type_list<>;
  static void encode(archive_writer& out, C const& c) {
    out.add_length(c.size());
    for (std::size_t i = 0; i < c.size();) {
      unsigned byte = 0;
      for (unsigned bit = 0; bit < 8 && i < c.size(); ++bit, ++i) byte |= (c[i] ? 1U : 0U) << bit;
      out.add(static_cast<unsigned char>(byte));
    }
  }
  static C decode(archive_reader& in) {
    auto const count = in.read<std::uint64_t>();
    if (count / 8 > in.left()) archive_reader::fail("an archive holds a length beyond its end");
    auto const* const bytes = reinterpret_cast<unsigned char const*>(in.view((count + 7) / 8));
    C c;
    c.reserve(count);
    for (std::size_t i = 0; i < count; ++i) c.push_back((bytes[i / 8] >> (i % 8) & 1) != 0);
    return c;
  }
};

/// forward_list.
template <class C>
struct forward_codec {
  using parts = type_list<typename C::value_type>;
  static void encode(archive_writer& out, C const& c) {
    std::size_t count = 0;
    for (auto i = c.begin(); i != c.end(); ++i) ++count;
    out.add_length(count);
    for (auto const& e : c) out.add(e);
  }
  static C decode(archive_reader& in) {
    archive_reader::level const here{in};
    C c;
    auto last = c.before_begin();
    for (std::size_t left = in.read_length(); left != 0; --left) {
      last = c.insert_after(last, in.read<typename C::value_type>());
    }
    return c;
  }
};

/// set, map, their multi and unordered kin. With libstdc++ a hash table keeps the order in which it is walked: the same
/// number of buckets is filled from the last element to the first.
template <class C>
struct associative_codec {
  static constexpr bool is_map = requires { typename C::mapped_type; };
  using key = typename C::key_type;
  static constexpr auto parts_of() {
    if constexpr (is_map) {
      return type_list<key, typename C::mapped_type>{};
    } else {
      return type_list<key>{};
    }
  }
  using parts = decltype(parts_of());

  static void encode(archive_writer& out, C const& c) {
    out.add_length(c.size());
    if constexpr (coded_hashed<C>) {
      out.add(static_cast<std::uint64_t>(c.bucket_count()));
      std::vector<typename C::value_type const*> all;
      all.reserve(c.size());
      for (auto const& e : c) all.push_back(&e);
      for (std::size_t i = all.size(); i-- > 0;) add_element(out, *all[i]);
    } else {
      for (auto const& e : c) add_element(out, e);
    }
  }
  static C decode(archive_reader& in) {
    archive_reader::level const here{in};
    std::size_t const count = in.read_length();
    C c;
    if constexpr (coded_hashed<C>) {
      auto const buckets = in.read<std::uint64_t>();
      if (buckets != c.bucket_count() && buckets / 8 <= in.left()) c.rehash(static_cast<std::size_t>(buckets));
    }
    for (std::size_t i = 0; i < count; ++i) {
      auto k = in.read<key>();
      if constexpr (coded_hashed<C> && is_map) {
        c.emplace(std::move(k), in.read<typename C::mapped_type>());
      } else if constexpr (coded_hashed<C>) {
        c.emplace(std::move(k));
      } else if constexpr (is_map) {
        c.emplace_hint(c.end(), std::move(k), in.read<typename C::mapped_type>());
      } else {
        c.emplace_hint(c.end(), std::move(k));
      }
    }
    return c;
  }

 private:
  static void add_element(archive_writer& out, typename C::value_type const& e) {
    if constexpr (is_map) {
      out.add(static_cast<key const&>(e.first));
      out.add(static_cast<typename C::mapped_type const&>(e.second));
    } else {
      out.add(e);
    }
  }
};

// ---- of fixed size --------------------------------------------------------------------------------------------------

template <class T>
concept coded_array = requires(T& t, typename T::value_type const& v) {
  requires std::tuple_size<T>::value != 0;
  t.fill(v);
  t[0];
};

/// C's arrays and std::array.
template <class T>
struct elements_codec {
  using element = std::remove_cvref_t<decltype(std::declval<T&>()[0])>;
  using parts = type_list<element>;
  static void encode(archive_writer& out, T const& v) {
    for (auto const& e : v) out.add(e);
  }
  static returned_t<T> decode(archive_reader& in) {
    if constexpr (std::is_default_constructible_v<T>) {
      T v{};
      decode_into(in, v);
      return v;
    } else {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return T{{(static_cast<void>(I), in.read<element>())...}};
      }(std::make_index_sequence<std::tuple_size_v<T>>{});
    }
  }
  static void decode_into(archive_reader& in, T& v) {
    for (auto& e : v) in.read_into(e);
  }
};

template <class T>
concept coded_product = requires { requires std::tuple_size<T>::value != 0; } && !requires { typename T::value_type; };

/// pair and tuple.
template <class T>
struct product_codec {
  template <std::size_t... I>
  static auto parts_of(std::index_sequence<I...>) -> type_list<std::remove_cv_t<std::tuple_element_t<I, T>>...>;
  using indices = std::make_index_sequence<std::tuple_size_v<T>>;
  using parts = decltype(parts_of(indices{}));

  static void encode(archive_writer& out, T const& v) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      using std::get;
      (out.add(get<I>(v)), ...);
    }(indices{});
  }
  static T decode(archive_reader& in) {
    return [&]<class... Part>(type_list<Part...>) { return T{in.read<Part>()...}; }(parts{});
  }
};

template <class T>
concept coded_optional = requires(T& t) {
  typename T::value_type;
  t.has_value();
  *t;
  t.reset();
} && std::is_default_constructible_v<T>;

template <class T>
struct optional_codec {
  using parts = type_list<typename T::value_type>;
  static void encode(archive_writer& out, T const& v) {
    out.add(v.has_value());
    if (v.has_value()) out.add(*v);
  }
  static T decode(archive_reader& in) {
    if (!in.read<bool>()) return T();
    return T(in.read<typename T::value_type>());
  }
};

template <class T>
struct variant_codec;
template <class T>
inline constexpr bool is_variant_type = false;
template <class... T>
inline constexpr bool is_variant_type<std::variant<T...>> = true;

template <class... T>
struct variant_codec<std::variant<T...>> {
  using parts = type_list<T...>;
  using value = std::variant<T...>;
  static void encode(archive_writer& out, value const& v) {
    if (v.valueless_by_exception()) archive_reader::fail("a variant has lost its value to an exception");
    out.add(static_cast<std::uint16_t>(v.index()));
    std::visit([&](auto const& held) { out.add(held); }, v);
  }
  static value decode(archive_reader& in) {
    auto const index = in.read<std::uint16_t>();
    if (index >= sizeof...(T)) archive_reader::fail("an archive holds an alternative that its variant has not");
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      constexpr value (*make[])(archive_reader&) = {&alternative<I, T>...};
      return make[index](in);
    }(std::index_sequence_for<T...>{});
  }

 private:
  template <std::size_t I, class Alternative>
  static value alternative(archive_reader& in) {
    return value(std::in_place_index<I>, in.read<Alternative>());
  }
};

template <class T>
inline constexpr bool is_unique_pointer = false;
template <class T>
inline constexpr bool is_unique_pointer<std::unique_ptr<T>> = !std::is_array_v<T>;

/// unique_ptr to what is no base of others: what a derived class adds would be lost.
template <class T>
struct pointer_codec {
  using pointed = std::remove_const_t<typename T::element_type>;
  using parts = type_list<pointed>;
  static constexpr bool works = !std::is_polymorphic_v<pointed> || std::is_final_v<pointed>;

  static void encode(archive_writer& out, T const& v) {
    out.add(v != nullptr);
    if (v != nullptr) out.add(static_cast<pointed const&>(*v));
  }
  static T decode(archive_reader& in) {
    archive_reader::level const here{in};
    if (!in.read<bool>()) return nullptr;
    return T(new pointed(in.read<pointed>()));
  }
};

// ---- others ---------------------------------------------------------------------------------------------------------

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool is_moment = false;
template <class Clock, class Duration>
inline constexpr bool is_moment<std::chrono::time_point<Clock, Duration>> = true;

template <class T>
struct duration_codec {
  using parts = type_list<typename T::rep>;
  static void encode(archive_writer& out, T const& v) { out.add(v.count()); }
  static T decode(archive_reader& in) { return T(in.read<typename T::rep>()); }
};
template <class T>
struct moment_codec {
  using parts = type_list<typename T::duration>;
  static void encode(archive_writer& out, T const& v) { out.add(v.time_since_epoch()); }
  static T decode(archive_reader& in) { return T(in.read<typename T::duration>()); }
};

template <class T>
concept coded_complex = requires(T& t, typename T::value_type part) {
  t.real(part);
  t.imag(part);
  T(part, part);
} && std::is_floating_point_v<typename T::value_type>;

template <class T>
struct complex_codec {
  using part = typename T::value_type;
  using parts = type_list<part>;
  static void encode(archive_writer& out, T const& v) {
    out.add(v.real());
    out.add(v.imag());
  }
  static T decode(archive_reader& in) {
    auto const real = in.read<part>();
    return T(real, in.read<part>());
  }
};

template <class T>
concept coded_bitset = requires(T& t, T const& c) {
  t.set(0, true);
  { c.test(0) } -> std::same_as<bool>;
  c.to_ullong();
  c.size();
} && std::is_default_constructible_v<T>;

template <class T>
struct bitset_codec {
  using parts = type_list<>;
  static void encode(archive_writer& out, T const& v) {
    std::size_t i = 0;
    do {
      unsigned byte = 0;
      for (unsigned bit = 0; bit < 8 && i < v.size(); ++bit, ++i) byte |= (v.test(i) ? 1U : 0U) << bit;
      out.add(static_cast<unsigned char>(byte));
    } while (i < v.size());
  }
  static T decode(archive_reader& in) {
    T v;
    std::size_t i = 0;
    do {
      auto const byte = in.read<unsigned char>();
      for (unsigned bit = 0; bit < 8 && i < v.size(); ++bit, ++i) v.set(i, (byte >> bit & 1) != 0);
    } while (i < v.size());
    return v;
  }
};

template <class T>
concept coded_path = requires(T const& t) {
  typename T::string_type;
  { t.native() } -> std::same_as<typename T::string_type const&>;
  t.lexically_normal();
};

template <class T>
struct path_codec {
  using parts = type_list<typename T::string_type>;
  static void encode(archive_writer& out, T const& v) { out.add(v.native()); }
  static T decode(archive_reader& in) { return T(in.read<typename T::string_type>()); }
};

/// error_code and error_condition of the two standard categories.
template <class T>
struct code_codec {
  using parts = type_list<>;
  static void encode(archive_writer& out, T const& v) {
    bool const system = v.category() == std::system_category();
    if (!system && v.category() != std::generic_category()) {
      archive_reader::fail("an error code is of neither of the two standard categories");
    }
    out.add(system);
    out.add(v.value());
  }
  static T decode(archive_reader& in) {
    bool const system = in.read<bool>();
    return T(in.read<int>(), system ? std::system_category() : std::generic_category());
  }
};

}  // namespace dally::detail
