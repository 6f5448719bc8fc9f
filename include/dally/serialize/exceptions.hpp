#pragma once

#include <cxxabi.h>

#include <any>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/key.hpp"
#include "dally/core/process_list.hpp"
#include "dally/core/text.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec.hpp"
#include "dally/serialize/thrown.hpp"

namespace dally {

/// An exception type that can be written and read again: one entry of the list of such types.
struct exception_type {
  std::type_info const* type;
  /// Whether `type` is thrown, alone or with another exception nested in it. Called in a handler.
  bool (*is)(std::type_info const& thrown);
  /// Writes the exception being handled; false, and nothing is written, if it cannot be.
  bool (*encode)(archive_writer& out);
  /// Reads one; `inner` is nested in it, unless null.
  std::exception_ptr (*decode)(archive_reader& in, std::exception_ptr const& inner);
};

namespace detail {

template <class E>
std::exception_ptr raised(E const& e, std::exception_ptr const& inner) {
  if (inner == nullptr) return std::make_exception_ptr(e);
  try {
    std::rethrow_exception(inner);
  } catch (...) {
    try {
      std::throw_with_nested(E(e));
    } catch (...) {
      return std::current_exception();
    }
  }
}

/// A standard exception whose text cannot be given to it.
template <class E>
class with_text : public E {
 public:
  template <class... Args>
  explicit with_text(std::string text, Args const&... args) : E(args...), text_{std::move(text)} {}
  [[nodiscard]] char const* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

/// Whether `thrown` is what the type of a value is called once another exception is nested in it.
template <class Value>
bool is_nesting(std::type_info const& thrown, Value&& value) {
  try {
    std::throw_with_nested(std::forward<Value>(value));
  } catch (std::nested_exception const& renamed) {
    return thrown == typeid(renamed);
  } catch (...) {
    return false;
  }
}

template <class E>
bool is_thrown(std::type_info const& thrown) {
  if (thrown == typeid(E)) return true;
  if constexpr (std::is_same_v<E, std::ios_base::failure>) {
    // libstdc++'s own throw one that is both failures, that of the old ABI too.
    if (std::string_view{thrown.name()} == "St13__ios_failure") return true;
  }
  if constexpr (std::is_polymorphic_v<E> && !std::is_final_v<E>) {
    if (thrown == typeid(with_text<E>)) return true;
    try {
      throw;
    } catch (E const& e) {
      // Nested from a temporary, or from something constant: libstdc++ makes these two types.
      return dynamic_cast<std::nested_exception const*>(&e) != nullptr &&
             (is_nesting(thrown, E(e)) || is_nesting(thrown, e));
    } catch (...) {
    }
  }
  return false;
}

/// A code's category as a number; codes of other categories mean nothing elsewhere.
inline constexpr std::error_category const& (*categories[])() noexcept = {
    &std::generic_category, &std::system_category, &std::iostream_category, &std::future_category};
inline bool encode_code(archive_writer& out, std::error_code const& code) {
  for (unsigned char i = 0; i < std::size(categories); ++i) {
    if (code.category() != categories[i]()) continue;
    out(i, code.value());
    return true;
  }
  return false;
}
inline std::error_code decode_code(archive_reader& in) {
  auto const category = in.read<unsigned char>();
  if (category >= std::size(categories)) archive_reader::fail("an archive holds an unknown category of errors");
  return {in.read<int>(), categories[category]()};
}
/// What a system_error was told, without the code's message that it adds.
inline std::string told(std::system_error const& e) {
  std::string_view text = e.std::system_error::what();
  std::string const message = e.code().message();
  if (text.ends_with(message)) text.remove_suffix(message.size());
  if (text.ends_with(": ")) text.remove_suffix(2);
  return std::string{text};
}

/// As a std::string is written, without making one: there may be no memory.
inline void write_text(archive_writer& out, std::string_view text) noexcept {
  out.add_length(text.size());
  out.add_bytes(text.data(), text.size());
}

/// How an E is written and read; the first way that fits.
template <class E>
struct exception_fields {
  static bool write(archive_writer& out, E const& e) {
    if constexpr (serializable<E>) {
      out(e);
    } else if constexpr (std::is_base_of_v<std::filesystem::filesystem_error, E>) {
      if (!encode_code(out, e.code())) return false;
      out(told(e), e.path1(), e.path2());
    } else if constexpr (std::is_base_of_v<std::system_error, E>) {
      if (!encode_code(out, e.code())) return false;
      out(told(e));
    } else if constexpr (std::is_same_v<E, std::future_error>) {
      out(e.code().value());
    } else if constexpr (std::is_same_v<E, std::regex_error>) {
      write_text(out, e.what());
      out(static_cast<std::int64_t>(e.code()));
    } else if constexpr (std::is_same_v<E, resource_error>) {
      write_text(out, e.what());
      out(e.code());
    } else if constexpr (std::is_base_of_v<task_failure, E>) {
      write_text(out, e.what());
      out(e.task(), e.key().name(), e.key().high(), e.key().low());
      if constexpr (std::is_same_v<E, remote_error>) {
        out(e.type_name(), e.text());
      } else if constexpr (std::is_same_v<E, not_serializable>) {
        out(e.type_name());
      } else if constexpr (std::is_same_v<E, killed_worker>) {
        out(e.death(), e.attempts());
      } else {
        out(e.attempts());
      }
    } else {
      write_text(out, e.what());
    }
    return true;
  }

  static std::exception_ptr read(archive_reader& in, std::exception_ptr const& inner) {
    if constexpr (serializable<E>) {
      return raised(in.read<E>(), inner);
    } else if constexpr (std::is_base_of_v<std::filesystem::filesystem_error, E>) {
      auto const code = decode_code(in);
      auto const text = in.read<std::string>();
      auto const first = in.read<std::filesystem::path>();
      auto const second = in.read<std::filesystem::path>();
      if (first.empty() && second.empty()) return raised(E{text, code}, inner);
      return raised(second.empty() ? E{text, first, code} : E{text, first, second, code}, inner);
    } else if constexpr (std::is_same_v<E, std::ios_base::failure>) {
      auto const code = decode_code(in);
      return raised(E{in.read<std::string>(), code}, inner);
    } else if constexpr (std::is_base_of_v<std::system_error, E>) {
      auto const code = decode_code(in);
      auto const text = in.read<std::string>();
      return raised(text.empty() ? E{code} : E{code, text}, inner);
    } else if constexpr (std::is_same_v<E, std::future_error>) {
      return raised(E{static_cast<std::future_errc>(in.read<int>())}, inner);
    } else if constexpr (std::is_same_v<E, std::regex_error>) {
      auto text = in.read<std::string>();
      auto const code = static_cast<std::regex_constants::error_type>(in.read<std::int64_t>());
      return raised(with_text<E>{std::move(text), code}, inner);
    } else if constexpr (std::is_same_v<E, resource_error>) {
      auto const text = in.read<std::string>();
      return raised(E{text, in.read<int>()}, inner);
    } else if constexpr (std::is_base_of_v<task_failure, E>) {
      auto const text = in.read<std::string>();
      auto task = in.read<std::string>();
      auto name = in.read<std::string>();
      auto const high = in.read<std::uint64_t>();
      dally::key key{std::move(name), high, in.read<std::uint64_t>()};
      if constexpr (std::is_same_v<E, remote_error>) {
        auto type = in.read<std::string>();
        return raised(E{text, std::move(type), in.read<std::string>(), std::move(task), std::move(key)}, inner);
      } else if constexpr (std::is_same_v<E, not_serializable>) {
        return raised(E{text, in.read<std::string>(), std::move(task), std::move(key)}, inner);
      } else if constexpr (std::is_same_v<E, killed_worker>) {
        auto const death = in.read<worker_death>();
        return raised(E{text, death, in.read<unsigned>(), std::move(task), std::move(key)}, inner);
      } else {
        return raised(E{text, in.read<unsigned>(), std::move(task), std::move(key)}, inner);
      }
    } else {
      auto text = in.read<std::string>();
      if constexpr (std::is_constructible_v<E, std::string const&>) {
        return raised(E{text}, inner);
      } else {
        if (E const plain{}; plain.what() == text) return raised(plain, inner);
        return raised(with_text<E>{std::move(text)}, inner);
      }
    }
  }

  static bool encode(archive_writer& out) {
    try {
      throw;
    } catch (E const& e) {
      return write(out, e);
    } catch (...) {
      return false;
    }
  }

  static constexpr exception_type entry{&typeid(E), &is_thrown<E>, &encode, &read};
};

template <class... E>
inline constexpr exception_type const* entries_of[] = {&exception_fields<E>::entry...};

/// dally's own and the standard library's.
inline constexpr auto& known_exceptions =
    entries_of<std::exception, std::bad_exception, std::bad_alloc, std::bad_array_new_length, std::bad_cast,
               std::bad_typeid, std::bad_function_call, std::bad_weak_ptr, std::bad_optional_access,
               std::bad_variant_access, std::bad_any_cast, std::logic_error, std::invalid_argument, std::domain_error,
               std::length_error, std::out_of_range, std::future_error, std::runtime_error, std::range_error,
               std::overflow_error, std::underflow_error, std::system_error, std::ios_base::failure,
               std::filesystem::filesystem_error, std::regex_error, error, graph_error, config_error, cancelled,
               archive_error, resource_error, not_serializable, remote_error, killed_worker, task_timeout>;

/// Those of users.
DALLY_EXPORT inline constinit process_list<exception_type const*> users_exceptions{};

template <class Fits>
exception_type const* find_exception(Fits const& fits) {
  for (exception_type const* const e : users_exceptions) {
    if (fits(*e)) return e;
  }
  for (exception_type const* const e : known_exceptions) {
    if (fits(*e)) return e;
  }
  return nullptr;
}

inline constexpr unsigned deepest_nesting = 64;

inline std::exception_ptr nested_in_thrown() {
  try {
    throw;
  } catch (std::nested_exception const& e) {
    return e.nested_ptr();
  } catch (...) {
    return nullptr;
  }
}

inline void encode_thrown(archive_writer& out, unsigned depth);

inline void encode_nested(archive_writer& out, unsigned depth) {
  std::exception_ptr const inner = depth < deepest_nesting ? nested_in_thrown() : nullptr;
  out(inner != nullptr);
  if (inner == nullptr) return;
  try {
    std::rethrow_exception(inner);
  } catch (...) {
    encode_thrown(out, depth + 1);
  }
}

/// The type of the exception being handled, as the compiler spells it, and what it says; of each `most` bytes at most.
inline void write_thrown(archive_writer& out, std::size_t most = ~std::size_t{0}) noexcept {
  thrown_digits digits;
  write_text(out, std::string_view{thrown_type()}.substr(0, most));
  write_text(out, thrown_text(digits).substr(0, most));
}

/// How many bytes the type's entry writes of the exception being handled; none if it cannot.
inline std::optional<std::size_t> size_written_by(exception_type const& entry) noexcept {
  try {
    archive_writer trial;
    if (entry.encode(trial)) return trial.size();
  } catch (...) {  // its type and its text arrive all the same
  }
  return std::nullopt;
}

/// What is nested first, then whether the type writes more, the type and what the exception says, and then what the
/// type writes, behind its length.
inline void encode_thrown(archive_writer& out, unsigned depth) {
  encode_nested(out, depth);
  std::type_info const* const thrown = abi::__cxa_current_exception_type();
  exception_type const* const entry =
      thrown == nullptr ? nullptr : find_exception([&](exception_type const& e) { return e.is(*thrown); });
  std::optional<std::size_t> const size = entry == nullptr ? std::nullopt : size_written_by(*entry);
  out(size.has_value());
  if (!size) return write_thrown(out);
  thrown_digits digits;
  write_text(out, entry->type->name());
  write_text(out, thrown_text(digits));
  out.add_length(*size);
  std::size_t const before = out.size();
  entry->encode(out);
  if (out.size() - before != *size) archive_reader::fail("a codec wrote one value in two lengths");
}

}  // namespace detail

/// Lets exceptions of type E, which has a codec, cross process borders as themselves. One in the header of E, at
/// namespace scope: `inline dally::travelling_exception<my_error> const my_error_travels;`
template <class E>
class travelling_exception {
  static_assert(serializable<E>, "dally: an exception that travels needs a dally::codec");

 public:
  travelling_exception() noexcept : entry_{detail::users_exceptions, &detail::exception_fields<E>::entry} {}
  travelling_exception(travelling_exception const&) = delete;
  travelling_exception& operator=(travelling_exception const&) = delete;
  ~travelling_exception() = default;

 private:
  process_list<exception_type const*>::entry entry_;
};

/// Writes an exception: its type, what it says, and what is nested in it, up to 64 deep.
///
/// Types   as themselves: the standard library's, dally's, and those with a travelling_exception; of others, and of
///         error codes of a category of somebody's own, the name and the text
inline void encode_exception(archive_writer& out, std::exception_ptr const& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (...) {
    detail::encode_thrown(out, 0);
  }
}

/// Room for what encode_exception_briefly() writes. Units: bytes.
inline constexpr std::size_t brief_exception_bytes = std::size_t{16} << 10;

/// The same without asking for memory: the type, the beginning of what it says, and nothing of what is nested in it.
/// For when more than that has failed.
inline void encode_exception_briefly(archive_writer& out, std::exception_ptr const& thrown) noexcept {
  constexpr std::size_t most = brief_exception_bytes / 2 - 32;
  try {
    std::rethrow_exception(thrown);
  } catch (...) {
    out(false, false);
    detail::write_thrown(out, most);
  }
}

namespace detail {

/// What stands for an exception of the task `task` that cannot be rebuilt; `unread` says why, where its type has a
/// codec.
inline std::exception_ptr stand_in(std::string type, std::string text, std::string_view unread, std::string const& task,
                                   dally::key const& key, std::exception_ptr const& inner) {
  std::string_view const has_text = text.empty() ? "" : ": ";
  auto const what =
      unread.empty() ? joined({"task \"", task, "\" threw ", type, has_text, text,
                               " (in another process; to have the exception itself, give its type a dally::codec and a "
                               "dally::travelling_exception)"})
                     : joined({"task \"", task, "\" threw ", type, has_text, text,
                               " (in another process; the exception itself could not be read from its bytes: ", unread,
                               ". Its codec must read what it has written, no more and no less)"});
  return raised(remote_error{what, std::move(type), std::move(text), task, key}, inner);
}

}  // namespace detail

/// Reads an exception of the task `task`, for which a remote_error speaks where the type cannot be rebuilt.
///
/// Errors  archive_error, std::bad_alloc
inline std::exception_ptr decode_exception(archive_reader& in, std::string const& task, dally::key const& key) {
  archive_reader::level const here{in};
  std::exception_ptr const inner = in.read<bool>() ? decode_exception(in, task, key) : nullptr;
  bool const written = in.read<bool>();
  auto const name = in.read<std::string>();
  auto text = in.read<std::string>();
  std::string type = detail::readable_type(name.c_str());
  if (!written) return detail::stand_in(std::move(type), std::move(text), {}, task, key, inner);
  std::size_t const size = in.read_length();
  archive_reader body{in.view(size), size};
  exception_type const* const entry =
      detail::find_exception([&](exception_type const& e) { return name == e.type->name(); });
  if (entry == nullptr) archive_reader::fail("an archive holds an exception that this program does not know");
  std::string why;
  try {
    std::exception_ptr const read = entry->decode(body, inner);
    if (body.left() == 0) return read;
    why = "an archive holds more than its value";
  } catch (std::bad_alloc const&) {
    throw;
  } catch (...) {
    detail::thrown_digits digits;
    why = detail::thrown_text(digits);
    if (why.empty()) why = "its codec threw";
  }
  return detail::stand_in(std::move(type), std::move(text), why, task, key, inner);
}

}  // namespace dally
