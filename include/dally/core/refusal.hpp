#pragma once

/// DALLY_REFUSES("what is wrong; the cure") stands before the declaration of a function template that is called where
/// something does not compile. Compilers answer with one line that holds these words and the template's arguments, so
/// that the first line of their output says what was given, what was wanted, and the cure.
#define DALLY_REFUSES(words) __attribute__((unavailable("dally: " words)))
