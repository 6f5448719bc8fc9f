// Codecs that read less, or more, than they have written, or throw: whose value it was, and of which type.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <unistd.h>

#include <array>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"

using dally::delayed;
using dally::lazy;
using dally::process_pool;
using dally::processes;
using dally::tests::contains;
using dally::tests::ledger;

namespace {

enum class fault { none, less, more, throws_reading, throws_writing, lacks_memory, two_lengths };

/// Money whose codec has the fault that it says.
struct money {
  long cents = 0;
  fault how = fault::none;
};

/// The same, by a function `serialize`; forgets its number when it reads.
struct forgetful {
  int number = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    if constexpr (Archive::is_saving::value) {
      ar(number, number);
    } else {
      ar(number);
    }
  }
};

int written = 0;

money make_money(int cents, fault how) { return {cents, how}; }
long cents_of(money const& m) { return m.cents; }
long cents_of_all(std::vector<money> const& all) { return all[0].cents; }
forgetful make_forgetful(int x) { return {x}; }
int number_of(forgetful const& f) { return f.number; }

void on_both(std::function<void(dally::any_scheduler const&)> const& test) {
  process_pool const pool{1};
  {
    INFO("processes");
    test(processes{1});
  }
  INFO("a pool");
  test(pool);
}

/// The remote_error that a run ends with, which speaks of `task`, and so does last_failure().
template <class T>
std::string failure_of(T const& x, dally::any_scheduler const& scheduler, std::string const& task) {
  try {
    static_cast<void>(dally::compute(scheduler, x));
  } catch (dally::remote_error const& e) {
    CHECK(e.task() == task);
    CHECK(e.key().name() == task);
    REQUIRE(dally::last_failure().has_value());
    CHECK(dally::last_failure()->name == task);
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace

template <>
struct dally::codec<money> {
  static void encode(dally::archive_writer& out, money const& m) {
    if (m.how == fault::throws_writing) throw std::domain_error{"cannot write"};
    out(m.how, m.cents);
    if (m.how == fault::less) out(m.cents);
    if (m.how == fault::two_lengths && ++written % 2 == 0) out(std::string(300, 'x'));
  }
  static money decode(dally::archive_reader& in) {
    auto const how = in.read<fault>();
    auto const cents = in.read<long>();
    if (how == fault::more) static_cast<void>(in.read<long>());
    if (how == fault::throws_reading) throw std::domain_error{"cannot read"};
    if (how == fault::lacks_memory) throw std::bad_alloc{};
    return {cents, how};
  }
};

TEST_CASE("a result that its codec cannot read is told as its maker's, wherever it is read", "[codec_failure]") {
  ledger books;
  auto const make = delayed(make_money, {.name = "make"});
  auto const use = delayed(cents_of, {.name = "use"});
  auto const here = delayed(cents_of, {.name = "here", .here = true});
  on_both([&](dally::any_scheduler const& scheduler) {
    CHECK(use(make(5, fault::none)).compute(scheduler) == 5);
    for (fault const how : {fault::less, fault::more, fault::throws_reading}) {
      CAPTURE(static_cast<int>(how));
      auto const made = make(5, how);
      for (std::string const& said :
           {failure_of(made, scheduler, "make"), failure_of(use(made), scheduler, "make"),
            failure_of(here(made), scheduler, "make"),
            failure_of(delayed(cents_of_all, {.name = "all"})(std::vector{made}), scheduler, "make")}) {
        CHECK_THAT(said, contains("result of task \"make\" (codec_failure_test.cpp:") && contains("of type money") &&
                             contains("codec"));
        if (how == fault::throws_reading) {
          CHECK_THAT(said, contains("std::domain_error: cannot read"));
        } else {
          CHECK_THAT(said, contains("no more and no less"));
        }
      }
    }
    auto const lost = delayed(make_forgetful, {.name = "forgets"})(1);
    CHECK_THAT(failure_of(delayed(number_of)(lost), scheduler, "forgets"), contains("of type forgetful"));
  });
}

TEST_CASE("a result that its codec cannot write is told as its maker's", "[codec_failure]") {
  ledger books;
  auto const use = delayed(cents_of, {.name = "use"});
  on_both([&](dally::any_scheduler const& scheduler) {
    for (bool const here : {false, true}) {
      CAPTURE(here);
      auto const made = delayed(make_money, {.name = "make", .here = here})(5, fault::throws_writing);
      CHECK_THAT(failure_of(use(made), scheduler, "make"),
                 contains("could not be written") && contains("std::domain_error: cannot write"));
    }
    auto const many = delayed([](money const& m) { return std::vector<money>(41, m); }, {.name = "many"});
    CHECK_THAT(failure_of(delayed(cents_of_all)(many(money{1, fault::two_lengths})), scheduler, "many"),
               contains("two lengths"));
  });
}

TEST_CASE("a literal, a persisted value or an argument that its codec cannot carry is named by a pool",
          "[codec_failure]") {
  ledger books;
  process_pool const pool{1};
  auto const use = delayed(cents_of, {.name = "use"});
  auto const sum = delayed(
      [](money const& m, std::string const& text, int x) { return m.cents + x + long(text.size()); }, {.name = "sum"});
  CHECK(sum(money{1, fault::none}, std::string{"ab"}, 3).compute(pool) == 6);
  for (fault const how : {fault::less, fault::more, fault::throws_reading, fault::throws_writing}) {
    CAPTURE(static_cast<int>(how));
    lazy<money> const literal = money{5, how};
    CHECK_THAT(failure_of(use(literal), pool, "use"),
               contains("the value (codec_failure_test.cpp:") && contains("task \"use\"") && contains("of type money"));
    auto const kept = delayed(make_money, {.name = "make"})(5, how).persist(dally::synchronous{});
    CHECK_THAT(failure_of(use(kept), pool, "make"), contains("result of task \"make\"") && contains("of type money"));
    // What stands behind it arrives whole, so that nothing else is blamed.
    CHECK_THAT(failure_of(sum(money{5, how}, std::string{"ab"}, 3), pool, "sum"),
               contains("an argument of task \"sum\" (codec_failure_test.cpp:") && contains("of type money"));
  }
  CHECK(use(money{7, fault::none}).compute(pool) == 7);
}

TEST_CASE("lack of memory while a value is read stays what it is", "[codec_failure]") {
  ledger books;
  on_both([&](dally::any_scheduler const& scheduler) {
    auto const made = delayed(make_money)(5, fault::lacks_memory);
    CHECK_THROWS_AS(delayed(cents_of)(made).compute(scheduler), std::bad_alloc);
    CHECK_THROWS_AS(made.compute(scheduler), std::bad_alloc);
    CHECK_THROWS_AS(delayed(cents_of, {.here = true})(made).compute(scheduler), std::bad_alloc);
  });
}
