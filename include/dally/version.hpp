#pragma once

// The version of dally, written only here: CMakeLists.txt reads these three lines.
#define DALLY_VERSION_MAJOR 0
#define DALLY_VERSION_MINOR 1
#define DALLY_VERSION_PATCH 0

#define DALLY_VERSION_TEXT_(major, minor, patch) #major "." #minor "." #patch
#define DALLY_VERSION_TEXT(major, minor, patch) DALLY_VERSION_TEXT_(major, minor, patch)

namespace dally {

/// The version of these headers as text: "major.minor.patch". For comparisons, take the macros.
inline constexpr char const* version =
    DALLY_VERSION_TEXT(DALLY_VERSION_MAJOR, DALLY_VERSION_MINOR, DALLY_VERSION_PATCH);

}  // namespace dally

#undef DALLY_VERSION_TEXT
#undef DALLY_VERSION_TEXT_
