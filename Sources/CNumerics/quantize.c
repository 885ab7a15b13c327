#include "bits.h"
#include "multiversion.h"
#include <math.h>

// Adding 1.5 * 2^23 rounds to the nearest even integer in the low bits; inputs here are within +-128.
#define ROUNDER 12582912.0f

#define ENCODE_INTEGER(NAME, LIMIT, MISSING, MASK)                                                                              \
    MULTIVERSION void cn_encode_##NAME(const float *x, uint8_t *codes, size_t n, float inverse, cn_rounding r) {                \
        for (size_t i = 0; i < n; i++) {                                                                                        \
            uint32_t a = bits_of(x[i]) & MAGNITUDE;                                                                             \
            float v = a < INFINITE ? x[i] * inverse : 0.0f;                                                                     \
            float shift = r.stochastic ? unit_of(hash_index(r.first_index + (uint32_t)i, r.seed)) - 0.5f : 0.0f;                \
            v = v + shift;                                                                                                      \
            v = v > LIMIT ? LIMIT : v;                                                                                          \
            v = v < -LIMIT ? -LIMIT : v;                                                                                        \
            uint32_t q = bits_of(v + ROUNDER) - bits_of(ROUNDER);                                                               \
            codes[i] = (uint8_t)(a < INFINITE ? q & MASK : MISSING);                                                            \
        }                                                                                                                       \
    }
ENCODE_INTEGER(int8, 127.0f, 0x80u, 0xffu)
ENCODE_INTEGER(int4, 7.0f, 0x8u, 0xfu)

MULTIVERSION void cn_decode_int8(const uint8_t *codes, float *x, size_t n, float scale) {
    for (size_t i = 0; i < n; i++) {
        int32_t q = (int8_t)codes[i];
        float v = (float)q * scale;
        x[i] = q == -128 ? float_of(0x7fc00000u) : v;
    }
}

MULTIVERSION void cn_decode_int4(const uint8_t *codes, float *x, size_t n, float scale) {
    for (size_t i = 0; i < n; i++) {
        int32_t q = (int32_t)(codes[i] & 0xf) - ((codes[i] & 8) << 1);
        float v = (float)q * scale;
        x[i] = q == -8 ? float_of(0x7fc00000u) : v;
    }
}

// Quantiles of a standard normal, scaled to +-1 with an exact zero: QLoRA (Dettmers et al., arXiv:2305.14314, appendix E).
static const float nf4_levels[16] = {
    -1.0f,           -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
    -0.09105003625154495f, 0.0f,           0.07958029955625534f, 0.16093020141124725f,  0.24611230194568634f,  0.33791524171829224f,
    0.44070982933044434f,  0.5626170039176941f, 0.7229568362236023f, 1.0f};

MULTIVERSION void cn_encode_nf4(const float *x, uint8_t *codes, size_t n, float inverse) {
    float middle[15];
    for (int j = 0; j < 15; j++) middle[j] = 0.5f * (nf4_levels[j] + nf4_levels[j + 1]);
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * inverse;
        uint32_t code = 0;
        for (int j = 0; j < 15; j++) code += v > middle[j];
        codes[i] = (uint8_t)code;
    }
}

MULTIVERSION void cn_decode_nf4(const uint8_t *codes, float *x, size_t n, float scale) {
    for (size_t i = 0; i < n; i++) x[i] = nf4_levels[codes[i] & 15] * scale;
}

MULTIVERSION void cn_pack_nibbles(const uint8_t *codes, uint8_t *packed, size_t n) {
    for (size_t i = 0; i < n / 2; i++) packed[i] = (uint8_t)(codes[2 * i] | codes[2 * i + 1] << 4);
    if (n & 1) packed[n / 2] = codes[n - 1];
}

MULTIVERSION void cn_unpack_nibbles(const uint8_t *packed, size_t first, uint8_t *codes, size_t n) {
    if (first & 1) {
        for (size_t i = 0; i < n; i++) codes[i] = (packed[(first + i) / 2] >> (4 * ((first + i) & 1))) & 15;
        return;
    }
    packed += first / 2;
    for (size_t i = 0; i < n / 2; i++) {
        codes[2 * i] = packed[i] & 15;
        codes[2 * i + 1] = packed[i] >> 4;
    }
    if (n & 1) codes[n - 1] = packed[n / 2] & 15;
}

MULTIVERSION void cn_encode_signs(const float *x, uint8_t *bits, size_t n) {
    size_t whole = n / 8;
    for (size_t i = 0; i < whole; i++) {
        uint32_t byte = 0;
        for (size_t j = 0; j < 8; j++) byte |= (bits_of(x[8 * i + j]) >> 31) << j;
        bits[i] = (uint8_t)byte;
    }
    if (n & 7) {
        uint32_t byte = 0;
        for (size_t j = 8 * whole; j < n; j++) byte |= (bits_of(x[j]) >> 31) << (j & 7);
        bits[whole] = (uint8_t)byte;
    }
}

MULTIVERSION void cn_decode_signs(const uint8_t *bits, const float *scales, float *x, size_t n, size_t block) {
    if (block == 0) block = n;
    for (size_t start = 0, b = 0; start < n; start += block, b++) {
        size_t end = n - start < block ? n : start + block;
        uint32_t scale = bits_of(scales[b]);
        for (size_t i = start; i < end; i++) x[i] = float_of(scale ^ (uint32_t)((bits[i / 8] >> (i & 7)) & 1) << 31);
    }
}

MULTIVERSION void cn_round_to_bf16(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]);
        uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000u;
        y[i] = (u & MAGNITUDE) > INFINITE ? x[i] : float_of(rounded);
    }
}

// A finite element stays finite: beyond the largest bfloat16 it saturates. NaNs stay NaNs, as quiet ones.
MULTIVERSION void cn_encode_bf16(const float *x, uint8_t *codes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]), a = u & MAGNITUDE;
        uint32_t rounded = (a + 0x7fff + ((a >> 16) & 1)) >> 16;
        rounded = rounded > 0x7f7f && a < INFINITE ? 0x7f7f : rounded;
        rounded = a > INFINITE ? 0x7fc0 : rounded;
        rounded |= (u >> 16) & 0x8000;
        codes[2 * i] = (uint8_t)rounded;
        codes[2 * i + 1] = (uint8_t)(rounded >> 8);
    }
}

MULTIVERSION void cn_decode_bf16(const uint8_t *codes, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = float_of((uint32_t)codes[2 * i] << 16 | (uint32_t)codes[2 * i + 1] << 24);
}

// Rounds at the thirteenth bit; below 2^-14 the spacing is 2^-24, which the adder provides at 0.5; from 65520 on it is infinity.
MULTIVERSION void cn_round_to_f16(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]), a = u & MAGNITUDE, sign = u & ~MAGNITUDE;
        uint32_t normal = (a + 0xfff + ((a >> 13) & 1)) & ~0x1fffu;
        float below = float_of(a) + 0.5f;
        uint32_t small = bits_of(below - 0.5f);
        uint32_t r = a < 0x38800000u ? small : normal;
        r = r >= 0x47800000u ? INFINITE : r;
        r = a > INFINITE ? a : r;
        y[i] = float_of(r | sign);
    }
}

void cn_encode_levels(const float *x, uint8_t *codes, size_t n, float inverse, const float *levels) {
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * inverse;
        uint32_t low = 0;  // the largest level <= v, or 0
        for (uint32_t step = 128; step > 0; step >>= 1) low += levels[low + step] <= v ? step : 0;
        uint32_t up = low < 255 ? low + 1 : 255;
        codes[i] = (uint8_t)(v - levels[low] <= levels[up] - v ? low : up);
    }
}

void cn_decode_levels(const uint8_t *codes, float *x, size_t n, float scale, const float *levels) {
    for (size_t i = 0; i < n; i++) x[i] = levels[codes[i]] * scale;
}
