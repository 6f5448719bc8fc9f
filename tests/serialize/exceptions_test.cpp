#include "dally/serialize/exceptions.hpp"

#include <fstream>
#include <string>
#include <vector>

#include "support/catch2.hpp"

namespace {

std::vector<std::byte> bytes_of(std::exception_ptr const& thrown) {
  dally::archive_writer counting;
  dally::encode_exception(counting, thrown);
  std::vector<std::byte> bytes(counting.size());
  dally::archive_writer out{bytes.data(), bytes.size()};
  dally::encode_exception(out, thrown);
  CHECK(out.size() == bytes.size());
  return bytes;
}

std::exception_ptr travelled(std::exception_ptr const& thrown) {
  auto const bytes = bytes_of(thrown);
  dally::archive_reader in{bytes.data(), bytes.size()};
  auto back = dally::decode_exception(in, "load", dally::key{"load", 1, 2});
  CHECK(in.left() == 0);
  return back;
}

template <class Throw>
std::exception_ptr caught(Throw const& f) {
  try {
    f();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

/// The exception of exactly type E, or one derived from it that dally keeps its text with, and the same text.
template <class E, class Throw>
void check_same(Throw const& f) {
  auto const original = caught(f);
  std::string what;
  try {
    std::rethrow_exception(original);
  } catch (E const& e) {
    what = e.what();
  }
  CAPTURE(what, typeid(E).name());
  bool arrived = false;
  try {
    std::rethrow_exception(travelled(original));
  } catch (E const& e) {
    arrived = typeid(e) == typeid(E) || typeid(e) == typeid(dally::detail::with_text<E>);
    CHECK(e.what() == what);
  } catch (...) {
  }
  CHECK(arrived);
  // And from there once more.
  arrived = false;
  try {
    std::rethrow_exception(travelled(travelled(original)));
  } catch (E const& e) {
    arrived = e.what() == what;
  } catch (...) {
  }
  CHECK(arrived);
}

template <class... E>
void check_with_text() {
  (check_same<E>([] { throw E("what it says"); }), ...);
}
template <class... E>
void check_without_text() {
  (check_same<E>([] { throw E(); }), ...);
}

struct user_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
class coded_error : public std::exception {
 public:
  coded_error(int code, std::string text) : code_{code}, text_{std::move(text)} {}
  int code() const { return code_; }
  char const* what() const noexcept override { return text_.c_str(); }

 private:
  int code_;
  std::string text_;
};
struct plain_error {
  int code;
};
/// Says nothing at all, not even "".
struct silent_error : std::exception {
  char const* what() const noexcept override { return nullptr; }
};
/// Two std::exceptions, so that nobody can ask it as one.
struct left_error : std::exception {};
struct right_error : std::exception {};
struct twofold_error : left_error, right_error {};
/// Says something else each time.
struct fickle_error : std::exception {
  mutable std::string text;
  char const* what() const noexcept override { return (text += "again, ").c_str(); }
};
/// Have codecs that read less than they write, and that throw.
struct shortened_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct untold_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

template <>
struct dally::codec<coded_error> {
  static void encode(archive_writer& out, coded_error const& e) { out(e.code(), std::string{e.what()}); }
  static coded_error decode(archive_reader& in) {
    auto const code = in.read<int>();
    return {code, in.read<std::string>()};
  }
};

template <>
struct dally::codec<shortened_error> {
  static void encode(archive_writer& out, shortened_error const& e) { out(std::string{e.what()}, 7); }
  static shortened_error decode(archive_reader& in) { return shortened_error{in.read<std::string>()}; }
};
template <>
struct dally::codec<untold_error> {
  static void encode(archive_writer&, untold_error const&) { throw std::logic_error{"no codec for today"}; }
  static untold_error decode(archive_reader&) { return untold_error{""}; }
};

namespace {
dally::travelling_exception<shortened_error> const shortened_error_travels;
dally::travelling_exception<untold_error> const untold_error_travels;
dally::travelling_exception<coded_error> const coded_error_travels;
dally::travelling_exception<plain_error> const plain_error_travels;
}  // namespace

TEST_CASE("standard exceptions arrive as themselves, with the same text", "[exceptions]") {
  check_with_text<std::logic_error, std::invalid_argument, std::domain_error, std::length_error, std::out_of_range,
                  std::runtime_error, std::range_error, std::overflow_error, std::underflow_error>();
  check_without_text<std::exception, std::bad_exception, std::bad_alloc, std::bad_array_new_length, std::bad_cast,
                     std::bad_typeid, std::bad_function_call, std::bad_weak_ptr, std::bad_optional_access,
                     std::bad_variant_access, std::bad_any_cast>();
  check_same<std::future_error>([] { throw std::future_error{std::future_errc::no_state}; });
  check_same<std::system_error>([] { throw std::system_error{ENOENT, std::generic_category(), "opening"}; });
  check_same<std::system_error>([] { throw std::system_error{ENOENT, std::system_category()}; });
  // As the library itself throws them.
  check_same<std::bad_variant_access>([] { static_cast<void>(std::get<int>(std::variant<int, char>{'c'})); });
  check_same<std::bad_optional_access>([] { static_cast<void>(std::optional<int>{}.value()); });
  check_same<std::bad_any_cast>([] { static_cast<void>(std::any_cast<int>(std::any{'c'})); });
  check_same<std::bad_function_call>([] { std::function<void()>{}(); });
  check_same<std::out_of_range>([] { static_cast<void>(std::vector<int>{}.at(3)); });
  check_same<std::regex_error>([] { std::regex{"(["}; });
  check_same<std::future_error>([] {
    auto broken = std::promise<int>{}.get_future();
    broken.get();
  });
  try {
    std::rethrow_exception(travelled(caught([] {
      std::ifstream file{"/nonexistent"};
      file.exceptions(std::ios::failbit);
    })));
    FAIL();
  } catch (std::ios_base::failure const& e) {
    CHECK(std::string{e.what()} == "basic_ios::clear: iostream error");
    CHECK(e.code() == std::io_errc::stream);
  }
}

TEST_CASE("codes and paths arrive", "[exceptions]") {
  try {
    std::rethrow_exception(travelled(caught([] { std::filesystem::copy_file("/nonexistent/a", "/nonexistent/b c"); })));
    FAIL();
  } catch (std::filesystem::filesystem_error const& e) {
    CHECK(typeid(e) == typeid(std::filesystem::filesystem_error));
    CHECK(e.code() == std::errc::no_such_file_or_directory);
    CHECK(e.path1() == "/nonexistent/a");
    CHECK(e.path2() == "/nonexistent/b c");
  }
  check_same<std::filesystem::filesystem_error>([] { static_cast<void>(std::filesystem::file_size("/nonexistent")); });
  try {
    std::rethrow_exception(travelled(caught([] { throw std::system_error{EPIPE, std::system_category(), "x"}; })));
  } catch (std::system_error const& e) {
    CHECK(e.code() == std::error_code{EPIPE, std::system_category()});
  }
  try {
    std::rethrow_exception(travelled(caught([] { std::regex{"("}; })));
  } catch (std::regex_error const& e) {
    CHECK(e.code() == std::regex_constants::error_paren);
  }
}

TEST_CASE("dally's own exceptions arrive as themselves", "[exceptions]") {
  dally::key const key{"k", 3, 4};
  check_with_text<dally::error, dally::graph_error, dally::config_error, dally::cancelled, dally::archive_error>();
  check_same<dally::resource_error>([] { throw dally::resource_error{"no memory", ENOMEM}; });
  check_same<dally::not_serializable>([&] { throw dally::not_serializable{"w", "type", "t", key}; });
  check_same<dally::remote_error>([&] { throw dally::remote_error{"w", "type", "text", "t", key}; });
  check_same<dally::task_timeout>([&] { throw dally::task_timeout{"w", 3, "t", key}; });
  try {
    std::rethrow_exception(travelled(
        caught([&] { throw dally::killed_worker{"w", {dally::worker_death::reason::signalled, 11}, 4, "t", key}; })));
    FAIL();
  } catch (dally::killed_worker const& e) {
    CHECK(e.death().why == dally::worker_death::reason::signalled);
    CHECK(e.death().number == 11);
    CHECK(e.attempts() == 4);
    CHECK(e.task() == "t");
    CHECK(e.key() == key);
  }
}

TEST_CASE("what cannot be rebuilt arrives as a remote_error that names type and text", "[exceptions]") {
  auto check_remote = [](auto const& f, std::string const& type, std::string const& text) {
    try {
      std::rethrow_exception(travelled(caught(f)));
      FAIL();
    } catch (dally::remote_error const& e) {
      CHECK_THAT(e.type_name(), dally::tests::contains(type));
      CHECK(e.text() == text);
      CHECK(e.task() == "load");
      CHECK(e.key() == dally::key{"load", 1, 2});
      CHECK_THAT(e.what(), dally::tests::contains("load"));
      CHECK_THAT(e.what(), dally::tests::contains(type));
    }
  };
  check_remote([] { throw user_error{"mine"}; }, "user_error", "mine");
  check_remote([] { throw user_error{""}; }, "user_error", "");
  check_remote([] { throw 42; }, "int", "42");
  check_remote([] { throw "text"; }, "char const*", "text");
  check_remote([] { throw std::string(1'000'000, 'x'); }, "string", std::string(1'000'000, 'x'));
  check_remote([] { throw std::make_unique<int>(3); }, "unique_ptr", "");
  struct category : std::error_category {
    char const* name() const noexcept override { return "mine"; }
    std::string message(int) const override { return "my message"; }
  };
  static category const mine;
  check_remote([] { throw std::system_error{1, mine}; }, "system_error", "my message");
}

TEST_CASE("the type of an exception arrives, whatever the exception does", "[exceptions]") {
  auto const arrived = [](auto const& f) {
    try {
      std::rethrow_exception(travelled(caught(f)));
    } catch (dally::remote_error const& e) {
      return e;
    }
    throw std::logic_error{"it was rebuilt"};
  };
  CHECK_THAT(arrived([] { throw silent_error{}; }).type_name(), dally::tests::contains("silent_error"));
  CHECK(arrived([] { throw silent_error{}; }).text().empty());
  CHECK_THAT(arrived([] { throw twofold_error{}; }).type_name(), dally::tests::contains("twofold_error"));
  CHECK(arrived([] { throw static_cast<char const*>(nullptr); }).text().empty());
  CHECK(arrived([] { throw user_error{"\xff\xfe no text \x80"}; }).text() == "\xff\xfe no text \x80");
  CHECK(arrived([] { throw user_error{std::string(10'000'000, 'x')}; }).text().size() == 10'000'000);
  // One that its codec cannot carry is told by its type and text, and why.
  auto const shortened = arrived([] { throw shortened_error{"what it says"}; });
  CHECK_THAT(shortened.type_name(), dally::tests::contains("shortened_error"));
  CHECK(shortened.text() == "what it says");
  CHECK_THAT(shortened.what(), dally::tests::contains("more than its value"));
  auto const untold = arrived([] { throw untold_error{"what it says"}; });
  CHECK_THAT(untold.type_name(), dally::tests::contains("untold_error"));
  CHECK(untold.text() == "what it says");
  // And as the cause of another, it harms that one as little.
  CHECK_THROWS_AS(std::rethrow_exception(travelled(caught([] {
                    try {
                      throw untold_error{"the cause"};
                    } catch (...) {
                      std::throw_with_nested(std::out_of_range{"outer"});
                    }
                  }))),
                  std::out_of_range);
}

TEST_CASE("an exception can be told briefly, without memory", "[exceptions]") {
  std::vector<std::byte> room(dally::brief_exception_bytes);
  for (auto const& thrown :
       {caught([] { throw user_error{std::string(1'000'000, 'x')}; }), caught([] { throw fickle_error{}; }),
        caught([] { throw silent_error{}; }), caught([] { throw 42; })}) {
    dally::archive_writer out{room.data(), room.size()};
    dally::encode_exception_briefly(out, thrown);
    REQUIRE(out.fitted());
    dally::archive_reader in{room.data(), out.size()};
    CHECK_THROWS_AS(std::rethrow_exception(dally::decode_exception(in, "load", {})), dally::remote_error);
    CHECK(in.left() == 0);
  }
}

TEST_CASE("an exception of the user's arrives as itself once it is told to", "[exceptions]") {
  try {
    std::rethrow_exception(travelled(caught([] { throw coded_error{7, "seven"}; })));
    FAIL();
  } catch (coded_error const& e) {
    CHECK(e.code() == 7);
    CHECK(std::string{e.what()} == "seven");
  }
  try {
    std::rethrow_exception(travelled(caught([] { throw plain_error{8}; })));
    FAIL();
  } catch (plain_error const& e) {
    CHECK(e.code == 8);
  }
}

namespace {

void throw_nested(int levels) {
  if (levels == 0) throw user_error{"the cause"};
  try {
    throw_nested(levels - 1);
  } catch (...) {
    if (levels % 3 == 0) std::throw_with_nested(user_error{"outer"});
    if (levels % 3 == 1) std::throw_with_nested(std::system_error{EPIPE, std::generic_category(), "outer"});
    std::throw_with_nested(coded_error{levels, "outer"});
  }
}

std::vector<std::string> chain_of(std::exception_ptr thrown) {
  std::vector<std::string> chain;
  while (thrown != nullptr) {
    std::exception_ptr inner;
    try {
      std::rethrow_exception(thrown);
    } catch (std::exception const& e) {
      std::string kind = "?";
      if (dynamic_cast<dally::remote_error const*>(&e) != nullptr) kind = "remote";
      if (dynamic_cast<std::system_error const*>(&e) != nullptr) kind = "system";
      if (dynamic_cast<coded_error const*>(&e) != nullptr) kind = "coded";
      chain.push_back(kind);
      if (auto const* n = dynamic_cast<std::nested_exception const*>(&e); n != nullptr) inner = n->nested_ptr();
    }
    thrown = inner;
  }
  return chain;
}

}  // namespace

TEST_CASE("a chain of nested exceptions arrives whole", "[exceptions]") {
  CHECK(chain_of(travelled(caught([] { throw_nested(5); }))) ==
        std::vector<std::string>{"coded", "system", "remote", "coded", "system", "remote"});
  CHECK(chain_of(travelled(caught([] { throw_nested(200); }))).size() == 65);
}

TEST_CASE("any cut of an exception's bytes is an error", "[exceptions]") {
  for (auto const& thrown : {caught([] { throw_nested(4); }), caught([] { std::filesystem::current_path("/none"); }),
                             caught([] { throw 42; })}) {
    auto const bytes = bytes_of(thrown);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      std::vector<std::byte> const prefix(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
      dally::archive_reader in{prefix.data(), prefix.size()};
      CHECK_THROWS_AS(dally::decode_exception(in, "t", {}), dally::archive_error);
    }
  }
}
