#pragma once

#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/thrown.hpp"

namespace dally {

/// A value that its codec could not write, or could not read from what it had written: which type of value, and what
/// was thrown. Whose value it is, somebody else has to say.
class codec_failure : public archive_error {
 public:
  enum class act : bool { writing, reading };

  codec_failure(act doing, std::string value_type, std::string thrown_type, std::string text)
      : archive_error{told(doing, "a value", value_type, thrown_type, text)},
        doing_{doing},
        value_type_{std::move(value_type)},
        thrown_type_{std::move(thrown_type)},
        text_{std::move(text)} {}

  /// Of the value's type; "" where it is not known.
  [[nodiscard]] std::string const& value_type() const noexcept { return value_type_; }
  /// Of what was thrown; "" where the codec has read less, or more, than it had written.
  [[nodiscard]] std::string const& thrown_type() const noexcept { return thrown_type_; }
  /// What that said.
  [[nodiscard]] std::string const& text() const noexcept { return text_; }

  /// The whole sentence, of `whose` value.
  [[nodiscard]] std::string told_of(std::string_view whose) const {
    return told(doing_, whose, value_type_, thrown_type_, text_);
  }

  /// Throws one of what is being handled. Lack of memory stays what it is, and so does what is one already.
  [[noreturn, gnu::cold]] DALLY_FUNCTION static void rethrow_as(act doing, std::string value_type) {
    try {
      throw;
    } catch (std::bad_alloc const&) {
      throw;
    } catch (codec_failure const&) {
      throw;
    } catch (unknown_address const&) {
      throw;
    } catch (archive_error const& e) {
      throw codec_failure{doing, std::move(value_type), {}, e.what()};
    } catch (...) {
      detail::thrown_digits digits;
      throw codec_failure{doing, std::move(value_type), detail::readable_type(detail::thrown_type()),
                          std::string{detail::thrown_text(digits)}};
    }
  }

 private:
  [[gnu::cold]] DALLY_FUNCTION static std::string told(act doing, std::string_view whose, std::string_view value_type,
                                                       std::string_view thrown_type, std::string_view text) {
    bool const typed = !value_type.empty();
    std::string const subject =
        joined({whose, typed ? ", of type " : "", value_type, typed ? "," : "",
                doing == act::reading ? " could not be read from its bytes: " : " could not be written as bytes: "});
    if (!thrown_type.empty()) {
      return joined({subject, "its codec threw ", thrown_type, text.empty() ? "" : ": ", text});
    }
    return joined(
        {subject, text,
         "; its codec (dally::codec, or a function `serialize`) must read what it has written, no more and no "
         "less"});
  }

  act doing_;
  std::string value_type_;
  std::string thrown_type_;
  std::string text_;
};

}  // namespace dally
