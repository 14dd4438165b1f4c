/* INDEPENDENT, before a loop: its rounds do not touch one another's elements, so that it may be
 * computed in vectors. The compiler may find that vectors do not pay. */
#ifndef FLAMBEAU_INDEPENDENT_H
#define FLAMBEAU_INDEPENDENT_H

#ifdef __clang__
#pragma GCC diagnostic ignored "-Wpass-failed"
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#endif
