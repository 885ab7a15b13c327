#pragma once
#include "cnumerics.h"
#include <string.h>

static inline uint32_t bits_of(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
static inline float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}
#define MAGNITUDE 0x7fffffffu
#define INFINITE 0x7f800000u

/// A 32-bit hash of (index, seed): the mixing constants of C. Wellons' "lowbias32" (public domain, nullprogram.com, 2018).
static inline uint32_t hash_index(uint32_t index, uint32_t seed) {
    uint32_t x = index * 0x9E3779B9u + seed;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}
/// Uniform in [0, 1) with 24 bits.
static inline float unit_of(uint32_t hash) { return (float)(int32_t)(hash >> 8) * 0x1p-24f; }
