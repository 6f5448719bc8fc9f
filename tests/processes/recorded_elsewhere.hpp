#pragma once

#include <dally/dally.hpp>

#include <string>

namespace dally::tests {

/// Written for an archive that has `field`.
struct settings {
  std::string name;
  int level = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar.field("name", name);
    ar.field("level", level);
  }
};

/// One that dally's archive could write; recorded by a file without <dally/processes.hpp> alone.
struct unseen {
  unseen() = default;
  explicit unseen(int number) : n{number} {}
  int n = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
  }
};

/// The same; recorded by files with and without.
struct seen {
  seen() = default;
  explicit seen(int number) : n{number} {}
  int n = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
  }
};

lazy<unseen> make_unseen(int n);
lazy<int> look_at_unseen(unseen const& u);
lazy<seen> make_seen(int n);

}  // namespace dally::tests
