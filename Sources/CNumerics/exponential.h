#pragma once
#include "bits.h"

/// exp(x) to 2 units in the last place: 2^n times a degree-6 Taylor polynomial on |r| <= ln 2 / 2 (remainder below 2^-24), with ln 2 in two
/// parts (Cody and Waite, 1980). No branch and no conversion to integers, so that it vectorises and a NaN stays one. 0 below -87.3, infinity
/// above 88.7.
static inline __attribute__((always_inline)) float exp_lane(float x) {
    float bounded = x < -87.33654f ? -87.33654f : x;
    bounded = bounded > 88.72283f ? 88.72283f : bounded;
    // 1.5 x 2^23: adding it rounds to the nearest integer, which then stands in the low bits.
    float shifted = bounded * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666668e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = (p * r) * r + r + 1.0f;
    // 2^(n - 1) and a doubling: n may be 128, where 2^n alone is no float.
    float result = p * float_of((bits_of(shifted) + 126u) << 23) * 2.0f;
    result = x < -87.33654f ? 0.0f : result;
    return x > 88.72283f ? float_of(INFINITE) : result;
}

/// 1 / (1 + exp(-x))
static inline __attribute__((always_inline)) float sigmoid_lane(float x) { return 1.0f / (1.0f + exp_lane(-x)); }

/// 1 + exp(-x), between 1 and 2^127.5: what a sigmoid divides by. Fewer steps than `exp_lane`: 2^n is a float all the way, no result is 0 or
/// infinite, and the polynomial is the degree-5 minimax of relative error 1.1e-7 (with the first two coefficients 1). A NaN stays one.
static inline __attribute__((always_inline)) float one_plus_exp_negative(float x) {
    float bounded = x < -88.0f ? -88.0f : x;
    bounded = bounded > 87.0f ? 87.0f : bounded;
    float shifted = bounded * -1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = (n * -0.693359375f - bounded) - n * -2.12194440e-4f;
    float p = 8.312501e-3f;
    p = p * r + 4.189033e-2f;
    p = p * r + 1.6667116e-1f;
    p = p * r + 4.999923e-1f;
    p = (p * r) * r + r + 1.0f;
    return 1.0f + p * float_of((bits_of(shifted) + 127u) << 23);
}

/// By the sigmoid, and near 0, where that cancels, by the series to x^9.
static inline __attribute__((always_inline)) float tanh_lane(float x) {
    float q = x * x;
    float series = x + x * q * (-1.0f / 3 + q * (2.0f / 15 + q * (-17.0f / 315 + q * (62.0f / 2835))));
    float wide = 2.0f * sigmoid_lane(2.0f * x) - 1.0f;
    return x > -0.25f && x < 0.25f ? series : wide;
}
