#include "dally/core/text.hpp"

#include <string>

#include "dally/core/error.hpp"
#include "support/catch2.hpp"

using dally::formatted;

TEST_CASE("text is printed as printf would, however long it is", "[text]") {
  CHECK(formatted("nothing").size() == 7);
  CHECK(formatted("%s:%u", "file.cpp", 12U) == "file.cpp:12");
  CHECK(formatted("%.*s|%zu|100%%", 2, "abc", std::size_t{3}) == "ab|3|100%");
  std::string const longer(100'000, 'x');
  CHECK(formatted("%s!", longer.c_str()) == longer + "!");
}

TEST_CASE("characters become a string, none an empty one", "[text]") {
  CHECK(dally::text_of("abc", 2) == "ab");
  CHECK(dally::text_of(nullptr, 0).empty());
  CHECK(dally::text_of("a\0b", 3) == std::string("a\0b", 3));
}

TEST_CASE("a refusal is of the type that was asked for, and says its text", "[text]") {
  CHECK_THROWS_AS(dally::refuse(&dally::throw_saying<dally::graph_error>, "%u tasks", 7U), dally::graph_error);
  CHECK_THROWS_WITH(dally::refuse(&dally::throw_saying<dally::config_error>, "%u tasks, \"%s\"", 7U, "f"),
                    "7 tasks, \"f\"");
}
