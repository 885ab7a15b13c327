// bfloat16 on the CPU: the upper half of a float, rounded to nearest, ties to even.
#pragma once
#include "cuda_runtime.h"

struct __nv_bfloat16 {
    uint16_t bits = 0;
    __nv_bfloat16() = default;
    explicit __nv_bfloat16(float x) {
        uint32_t all = __float_as_uint(x);
        bits = x != x ? 0x7fff : uint16_t((all + 0x7fff + (all >> 16 & 1)) >> 16);
    }
    explicit operator float() const { return emulatedFloat(uint32_t(bits) << 16); }
};
inline float __bfloat162float(__nv_bfloat16 x) { return float(x); }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
