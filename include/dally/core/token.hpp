#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ratio>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "dally/core/fields.hpp"
#include "dally/core/function.hpp"
#include "dally/core/key.hpp"
#include "dally/core/symbol.hpp"

namespace dally {

/// Hashes a stream of bytes.
///
/// Shape   the digest depends on the concatenated bytes alone, not on how they were cut. Numbers enter as 8 bytes,
///         little-endian. low is the first half of the published digest, high the second
/// Source  MurmurHash3_x64_128 with seed 0, A. Appleby, public domain. Of no bytes: 0, 0; of "hello":
///         low cbd8a7b341bd9b02, high 5b1e906a48ae1d19
class token_hash {
 public:
  void add_bytes(void const* data, std::size_t size) noexcept {
    auto const* bytes = static_cast<unsigned char const*>(data);
    length_ += size;
    if (filled_ != 0) {
      std::size_t const missing = sizeof block_ - filled_;
      std::size_t const taken = size < missing ? size : missing;
      std::memcpy(block_ + filled_, bytes, taken);
      filled_ += taken;
      bytes += taken;
      size -= taken;
      if (filled_ < sizeof block_) return;
      mix(block_);
      filled_ = 0;
    }
    for (; size >= sizeof block_; size -= sizeof block_, bytes += sizeof block_) mix(bytes);
    if (size != 0) std::memcpy(block_, bytes, size);
    filled_ = size;
  }
  void add_number(std::uint64_t number) noexcept {
    unsigned char bytes[8];
    for (unsigned char& byte : bytes) {
      byte = static_cast<unsigned char>(number);
      number >>= 8;
    }
    add_bytes(bytes, sizeof bytes);
  }
  void add_text(std::string_view text) noexcept {
    add_number(text.size());
    add_bytes(text.data(), text.size());
  }
  void add(token const& t) noexcept {
    add_number(t.low);
    add_number(t.high);
  }

  [[nodiscard]] token digest() const noexcept {
    unsigned char last[16] = {};
    std::memcpy(last, block_, filled_);
    std::uint64_t a = a_;
    std::uint64_t b = b_;
    if (filled_ > 8) b ^= rotated(load(last + 8) * second, 33) * first;
    if (filled_ > 0) a ^= rotated(load(last) * first, 31) * second;
    a ^= length_;
    b ^= length_;
    a += b;
    b += a;
    a = scrambled(a);
    b = scrambled(b);
    a += b;
    b += a;
    return {b, a};
  }

 private:
  static constexpr std::uint64_t first = 0x87c37b91114253d5U;
  static constexpr std::uint64_t second = 0x4cf5ad432745937fU;

  static std::uint64_t rotated(std::uint64_t x, unsigned by) noexcept { return (x << by) | (x >> (64 - by)); }
  static std::uint64_t scrambled(std::uint64_t x) noexcept {
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdU;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53U;
    return x ^ (x >> 33);
  }
  static std::uint64_t load(unsigned char const* bytes) noexcept {
    std::uint64_t number = 0;
    for (unsigned i = 8; i-- > 0;) number = number << 8 | bytes[i];
    return number;
  }
  void mix(unsigned char const* block) noexcept {
    a_ ^= rotated(load(block) * first, 31) * second;
    a_ = (rotated(a_, 27) + b_) * 5 + 0x52dce729U;
    b_ ^= rotated(load(block + 8) * second, 33) * first;
    b_ = (rotated(b_, 31) + a_) * 5 + 0x38495ab5U;
  }

  std::uint64_t a_ = 0;
  std::uint64_t b_ = 0;
  std::uint64_t length_ = 0;
  unsigned char block_[16];
  std::size_t filled_ = 0;
};

namespace detail {

/// An object whose address stands for a type in this process. Types that two files call the same but that are not the
/// same, in anonymous namespaces, have one each. Not constant, so that no linker folds two into one.
template <class T>
inline char type_anchor = 0;

void token_of() = delete;  // only what a type's own namespace brings is found by the calls below

template <class T>
concept has_own_token = requires(T const& v) {
  { token_of(v) } -> std::same_as<token>;
};

template <class T>
constexpr bool has_token();

template <class Tuple, std::size_t... I>
constexpr bool elements_have_tokens(std::index_sequence<I...>) {
  return (has_token<std::remove_cvref_t<std::tuple_element_t<I, Tuple>>>() && ... && true);
}

template <class... Part>
constexpr bool all_have_tokens(type_list<Part...>) {
  return (has_token<Part>() && ... && true);
}

template <class T>
concept token_text = std::convertible_to<T const&, std::string_view>;
template <class T>
concept token_tuple = requires { std::tuple_size<T>::value; };
template <class T>
concept token_range = requires(T const& v) {
  v.begin() != v.end();
  typename T::value_type;
};
template <class T>
concept token_optional = requires(T const& v) {
  v.has_value();
  *v;
  typename T::value_type;
};
template <class T>
concept token_duration = requires(T const& v) {
  v.count();
  typename T::period;
};
template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;
template <class T>
inline constexpr bool alternatives_have_tokens = false;
template <class... T>
inline constexpr bool alternatives_have_tokens<std::variant<T...>> = (has_token<T>() && ...);

template <class T>
constexpr bool has_token() {
  if constexpr (has_own_token<T>) {
    return true;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || token_text<T> ||
                       std::is_same_v<T, std::monostate>) {
    return true;
  } else if constexpr (is_variant<T>) {
    return alternatives_have_tokens<T>;
  } else if constexpr (token_duration<T>) {
    return has_token<std::remove_cvref_t<decltype(std::declval<T const&>().count())>>();
  } else if constexpr (token_optional<T> || token_range<T>) {
    return has_token<typename T::value_type>();
  } else if constexpr (token_tuple<T>) {
    return elements_have_tokens<T>(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (plain_aggregate<T>) {
    return all_have_tokens(fields_t<T>{});
  } else {
    return false;
  }
}

template <class T>
concept contiguous_numbers =
    requires(T const& v) {
      { v.data() } -> std::same_as<typename T::value_type const*>;
      v.size();
    } && (std::is_integral_v<typename T::value_type> || std::is_same_v<typename T::value_type, float> ||
          std::is_same_v<typename T::value_type, double>);

/// Sorts in place, by heap sort: O(n log n) for every input, and no <algorithm>.
[[gnu::cold]] DALLY_FUNCTION_APART void sort_tokens(token* t, std::size_t size) noexcept {
  for (std::size_t start = size / 2, end = size; end > 1;) {
    if (start > 0) {
      --start;  // the heap is still being made
    } else {
      std::swap(t[0], t[--end]);  // the largest of what is left goes to its place
    }
    for (std::size_t parent = start, child; (child = 2 * parent + 1) < end; parent = child) {
      if (child + 1 < end && t[child] < t[child + 1]) ++child;
      if (!(t[parent] < t[child])) break;
      std::swap(t[parent], t[child]);
    }
  }
}

/// Adds a value, headed by its shape, so that values of different shapes do not meet: {1, 2}, {3} is not {1}, {2, 3}.
template <class T>
void add_token(token_hash& hash, T const& v) {
  if constexpr (has_own_token<T>) {
    hash.add_number('o');
    hash.add(token_of(v));
  } else if constexpr (std::is_enum_v<T>) {
    hash.add_number('e');
    hash.add_text(type_name<T>());
    add_token(hash, static_cast<std::underlying_type_t<T>>(v));
  } else if constexpr (std::is_floating_point_v<T>) {
    // The bits: 0.0 is not -0.0, and a NaN equals itself. A long double's padding is left out.
    constexpr std::size_t bytes = std::numeric_limits<T>::digits == 64 ? 10 : sizeof(T);
    hash.add_number('f' + (bytes << 8));
    hash.add_bytes(&v, bytes);
  } else if constexpr (std::is_arithmetic_v<T>) {
    hash.add_number((std::is_same_v<T, bool> ? 'b' : std::is_signed_v<T> ? 'i' : 'u') + (sizeof(T) << 8));
    hash.add_number(static_cast<std::uint64_t>(v));
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    hash.add_number('m');
  } else if constexpr (token_text<T>) {
    hash.add_number('s');
    hash.add_text(v);
  } else if constexpr (is_variant<T>) {
    hash.add_number('v');
    hash.add_number(v.index());
    if (!v.valueless_by_exception()) std::visit([&](auto const& held) { add_token(hash, held); }, v);
  } else if constexpr (token_duration<T>) {
    hash.add_number('d');
    hash.add_number(static_cast<std::uint64_t>(T::period::num));
    hash.add_number(static_cast<std::uint64_t>(T::period::den));
    add_token(hash, v.count());
  } else if constexpr (token_optional<T>) {
    hash.add_number('?');
    hash.add_number(v.has_value() ? 1 : 0);
    if (v.has_value()) add_token(hash, *v);
  } else if constexpr (contiguous_numbers<T>) {
    using value = typename T::value_type;
    hash.add_number('c' + (sizeof(value) << 8) + (std::is_floating_point_v<value> ? 1U << 16 : 0U) +
                    (std::is_signed_v<value> ? 1U << 17 : 0U));
    hash.add_number(v.size());
    if (v.size() != 0) hash.add_bytes(v.data(), v.size() * sizeof(value));
  } else if constexpr (token_range<T>) {
    std::vector<token> elements;
    for (auto const& element : v) {
      token_hash one;
      add_token(one, static_cast<typename T::value_type const&>(element));
      elements.push_back(one.digest());
    }
    hash.add_number('r');
    if constexpr (requires { v.hash_function(); }) {
      // The order in which a hash table holds its elements is no part of its value.
      sort_tokens(elements.data(), elements.size());
    }
    hash.add_number(elements.size());
    for (token const& t : elements) hash.add(t);
  } else if constexpr (token_tuple<T>) {
    hash.add_number('t');
    hash.add_number(std::tuple_size_v<T>);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      using std::get;
      (add_token(hash, get<I>(v)), ...);
    }(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else {
    hash.add_number('a');
    hash.add_text(type_name<T>());
    with_fields(v, [&](auto const&... field) { (add_token(hash, field), ...); });
  }
}

struct token_of_value {
  template <class T>
    requires(has_token<T>())
  [[nodiscard]] token operator()(T const& v) const {
    if constexpr (has_own_token<T>) {
      return token_of(v);
    } else {
      token_hash hash;
      add_token(hash, v);
      return hash.digest();
    }
  }
};

}  // namespace detail

inline namespace customization {
/// The content hash of a value, by which pure calls are recognised as equal. Known: arithmetic types, enums, strings,
/// durations, optional, variant, pair, tuple, standard containers and aggregates of up to 32 fields of such. For a
/// type of your own, define `dally::token token_of(my_type const&)` in its namespace.
///
/// Values  0.0 and -0.0 differ; equal NaN bits are equal; padding does not count, the order of a hash table neither;
///         a `char const*` is the text it points to
/// Cost    linear in the value's bytes, and n log n in the elements of a hash table, which are sorted
inline constexpr detail::token_of_value token_of{};
}  // namespace customization

/// Whether `token_of` takes a T.
template <class T>
concept tokenizable = detail::has_token<T>();

}  // namespace dally
