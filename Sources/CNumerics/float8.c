// 8-bit floats as in "FP8 Formats for Deep Learning" (Micikevicius et al., arXiv:2209.05433).
#include "bits.h"
#include "multiversion.h"

// Both formats by one scheme. DROP is how many fraction bits of a float go, BIAS the format's exponent bias, FRACTION its fraction bits.
// Normal range: the float's own bits, rounded at bit DROP, with the exponent re-biased. Below it: the spacing is constant, and adding a power
// of two whose own spacing equals it lets the adder round. Beyond the largest finite code the value saturates.
#define ENCODE(NAME, DROP, BIAS, FRACTION, LARGEST, INFINITY_CODE)                                                              \
    static inline uint32_t NAME##_nearest(uint32_t a) {                                                                         \
        uint32_t rounded = a + ((1u << (DROP - 1)) - 1) + ((a >> DROP) & 1);                                                    \
        uint32_t normal = (rounded >> DROP) - ((127u - BIAS) << FRACTION);                                                      \
        const uint32_t anchor = (uint32_t)(127 + 23 + 1 - BIAS - FRACTION) << 23;                                               \
        uint32_t below = bits_of(float_of(a) + float_of(anchor)) - anchor;                                                      \
        return a < ((uint32_t)(128 - BIAS) << 23) ? below : normal;                                                             \
    }                                                                                                                           \
    static inline uint32_t NAME##_stochastic(uint32_t a, uint32_t hash) {                                                       \
        uint32_t rounded = a + (hash & ((1u << DROP) - 1));                                                                     \
        uint32_t normal = (rounded >> DROP) - ((127u - BIAS) << FRACTION);                                                      \
        float grid = float_of((uint32_t)(127 - 1 + BIAS + FRACTION) << 23);                                                     \
        int subnormal = a < ((uint32_t)(128 - BIAS) << 23);                                                                     \
        uint32_t below = (uint32_t)(int32_t)((subnormal ? float_of(a) * grid : 0.0f) + unit_of(hash));                          \
        return subnormal ? below : normal;                                                                                      \
    }                                                                                                                           \
    static inline uint8_t NAME##_finish(uint32_t a, uint32_t code, uint32_t sign) {                                             \
        code = code > LARGEST ? LARGEST : code;                                                                                 \
        code = a >= INFINITE ? INFINITY_CODE : code;                                                                            \
        code = a > INFINITE ? 0x7f : code;                                                                                      \
        return (uint8_t)(code | sign);                                                                                          \
    }                                                                                                                           \
    MULTIVERSION static void NAME##_all_nearest(const float *x, uint8_t *codes, size_t n, float inverse) {                      \
        for (size_t i = 0; i < n; i++) {                                                                                        \
            uint32_t u = bits_of(x[i] * inverse), a = u & MAGNITUDE;                                                            \
            uint32_t bounded = a < 0x60000000u ? a : 0x60000000u;                                                               \
            codes[i] = NAME##_finish(a, NAME##_nearest(bounded), (u >> 24) & 0x80);                                             \
        }                                                                                                                       \
    }                                                                                                                           \
    MULTIVERSION static void NAME##_all_stochastic(const float *x, uint8_t *codes, size_t n, float inverse, cn_rounding r) {    \
        for (size_t i = 0; i < n; i++) {                                                                                        \
            uint32_t u = bits_of(x[i] * inverse), a = u & MAGNITUDE;                                                            \
            uint32_t bounded = a < 0x60000000u ? a : 0x60000000u;                                                               \
            uint32_t hash = hash_index(r.first_index + (uint32_t)i, r.seed);                                                    \
            codes[i] = NAME##_finish(a, NAME##_stochastic(bounded, hash), (u >> 24) & 0x80);                                    \
        }                                                                                                                       \
    }                                                                                                                           \
    void cn_encode_##NAME(const float *x, uint8_t *codes, size_t n, float inverse, cn_rounding r) {                             \
        if (r.stochastic) NAME##_all_stochastic(x, codes, n, inverse, r);                                                       \
        else NAME##_all_nearest(x, codes, n, inverse);                                                                          \
    }
ENCODE(e4m3, 20, 7, 3, 0x7eu, 0x7fu)  // no infinity: it becomes NaN, so that it is not mistaken for a number
ENCODE(e5m2, 21, 15, 2, 0x7bu, 0x7cu)

// A code times its scale may round beyond the largest float although the element itself was finite; it must stay finite.
static inline uint32_t finite_bits(float x) {
    uint32_t u = bits_of(x);
    return u < 0x7f7fffffu ? u : 0x7f7fffffu;
}

MULTIVERSION void cn_decode_e4m3(const uint8_t *codes, float *x, size_t n, float scale) {
    for (size_t i = 0; i < n; i++) {
        uint32_t code = codes[i], m = code & 0x7f;
        float below = (float)(int32_t)m * 0x1p-9f;
        float v = m < 8 ? below : float_of((m << 20) + (120u << 23));
        uint32_t u = m == 0x7f ? 0x7fc00000u : finite_bits(v * scale);
        x[i] = float_of(u | (code & 0x80) << 24);
    }
}

MULTIVERSION void cn_decode_e5m2(const uint8_t *codes, float *x, size_t n, float scale) {
    for (size_t i = 0; i < n; i++) {
        uint32_t code = codes[i], m = code & 0x7f;
        float below = (float)(int32_t)m * 0x1p-16f;
        float v = m < 4 ? below : float_of((m << 21) + (112u << 23));
        uint32_t u = m > 0x7c ? 0x7fc00000u : m == 0x7c ? INFINITE : finite_bits(v * scale);
        x[i] = float_of(u | (code & 0x80) << 24);
    }
}
