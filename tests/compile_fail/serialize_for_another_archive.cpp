// expect-first 1:
// if_serialize_does_not_compile_specialise_dally_codec::writer.*field|field.*if_serialize_does_not_compile_specialise_dally_codec::writer
// expect-first 2: shared_ptr<int>.* is unavailable: dally: a value of this type cannot cross process borders;
// specialise dally::codec

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <memory>

struct settings {
  int level = 0;
  std::shared_ptr<int> shared;
  template <class Archive>
  void serialize(Archive& ar) {
#if CASE == 1
    ar.field("level", level);
#else
    ar(level, shared);
#endif
  }
};

#ifdef DALLY_CONTROL
template <>
struct dally::codec<settings> {
  static void encode(archive_writer& out, settings const& s) { out(s.level); }
  static settings decode(archive_reader& in) { return {in.read<int>(), nullptr}; }
};
#endif

int main() {
  static_cast<void>(dally::delayed([](int level) { return settings{level, nullptr}; })(3));
}
