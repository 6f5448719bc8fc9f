#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <string_view>  // specialises enable_view and enable_borrowed_range, so it declares them
#include <type_traits>

namespace dally {

/// A parameter that reads many values where they lie: a random-access range of `T const&`. A function of `refs<T>`
/// takes a container of `lazy<T>` without a copy of any result, which a function of `std::vector<T>` gets as values of
/// its own: moved there at their last use, else copied.
///
///     float mean(dally::refs<chunk> chunks);      // dally::delayed(mean)(chunks), of a
///     std::vector<dally::lazy<chunk>>
///
/// Shape     the elements in the order in which the lazies stand in the container, of nested ones one after the other,
/// of
///           maps the mapped values. Also made of what has data() and size(): a lazy<std::vector<T>>, a vector
/// Lifetime  of the call that it is passed to
/// Cost      a pointer for each element of a container of lazies; nothing for one of values
template <class T>
class refs {
 public:
  using value_type = T;

  class iterator {
   public:
    using value_type = T;
    using reference = T const&;
    using pointer = T const*;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::random_access_iterator_tag;

    iterator() = default;
    [[nodiscard]] reference operator*() const noexcept { return values_ != nullptr ? *values_ : **addresses_; }
    [[nodiscard]] pointer operator->() const noexcept { return &**this; }
    [[nodiscard]] reference operator[](difference_type n) const noexcept { return *(*this + n); }
    iterator& operator+=(difference_type n) noexcept {
      if (values_ != nullptr) {
        values_ += n;
      } else {
        addresses_ += n;
      }
      return *this;
    }
    iterator& operator-=(difference_type n) noexcept { return *this += -n; }
    iterator& operator++() noexcept { return *this += 1; }
    iterator& operator--() noexcept { return *this -= 1; }
    iterator operator++(int) noexcept {
      iterator const before = *this;
      ++*this;
      return before;
    }
    iterator operator--(int) noexcept {
      iterator const before = *this;
      --*this;
      return before;
    }
    [[nodiscard]] friend iterator operator+(iterator at, difference_type n) noexcept { return at += n; }
    [[nodiscard]] friend iterator operator+(difference_type n, iterator at) noexcept { return at += n; }
    [[nodiscard]] friend iterator operator-(iterator at, difference_type n) noexcept { return at -= n; }
    [[nodiscard]] friend difference_type operator-(iterator a, iterator b) noexcept {
      return a.values_ != nullptr ? a.values_ - b.values_ : a.addresses_ - b.addresses_;
    }
    [[nodiscard]] friend bool operator==(iterator a, iterator b) noexcept {
      return a.values_ == b.values_ && a.addresses_ == b.addresses_;
    }
    [[nodiscard]] friend std::strong_ordering operator<=>(iterator a, iterator b) noexcept { return a - b <=> 0; }

   private:
    friend class refs;
    iterator(T const* values, T const* const* addresses) noexcept : values_{values}, addresses_{addresses} {}
    T const* values_ = nullptr;
    T const* const* addresses_ = nullptr;
  };
  using const_iterator = iterator;

  refs() = default;
  /// Of values that lie side by side.
  refs(T const* first, std::size_t size) noexcept : values_{first}, size_{size} {}
  /// Of values wherever they are.
  refs(T const* const* addresses, std::size_t size) noexcept : addresses_{addresses}, size_{size} {}
  template <class Values>
    requires(!std::same_as<std::remove_cvref_t<Values>, refs> &&
             requires(Values const& values) {
               { values.data() } -> std::convertible_to<T const*>;
               values.size();
               requires std::same_as<std::remove_cvref_t<decltype(*values.data())>, T>;
             })
  refs(Values const& values) noexcept  // NOLINT: implicit, as of std::span
      : refs(static_cast<T const*>(values.data()), static_cast<std::size_t>(values.size())) {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T const& operator[](std::size_t i) const noexcept {
    return values_ != nullptr ? values_[i] : *addresses_[i];
  }
  [[nodiscard]] T const& front() const noexcept { return (*this)[0]; }
  [[nodiscard]] T const& back() const noexcept { return (*this)[size_ - 1]; }
  [[nodiscard]] iterator begin() const noexcept { return {values_, addresses_}; }
  [[nodiscard]] iterator end() const noexcept { return begin() + static_cast<std::ptrdiff_t>(size_); }

 private:
  T const* values_ = nullptr;  // either these
  T const* const* addresses_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {

template <class P>
inline constexpr bool is_refs = false;
template <class T>
inline constexpr bool is_refs<refs<T>> = true;

/// Where the results of a container of lazies lie, for as long as a call lasts.
template <class T>
struct result_references {
  std::unique_ptr<T const*[]> addresses;
  std::size_t size = 0;

  explicit result_references(std::size_t most) : addresses{new T const*[most + 1]} {}
  void add(T const& result) noexcept { addresses[size++] = &result; }
  operator refs<T>() const noexcept { return {addresses.get(), size}; }  // NOLINT: a parameter is made of it
};

}  // namespace detail
}  // namespace dally

template <class T>
inline constexpr bool std::ranges::enable_view<dally::refs<T>> = true;
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<dally::refs<T>> = true;
