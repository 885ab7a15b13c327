// FP8 E4M3 on the CPU (arXiv:2209.05433): 4 bits of exponent with bias 7, 3 of mantissa, no infinities; conversion saturates at 448.
#pragma once
#include "cuda_runtime.h"

struct __nv_fp8_e4m3 {
    uint8_t bits = 0;
    __nv_fp8_e4m3() = default;
    explicit __nv_fp8_e4m3(float x) {
        uint8_t sign = std::signbit(x) ? 0x80 : 0;
        float size = fabsf(x);
        if (size != size) {
            bits = 0x7f;
        } else if (size >= 448) {
            bits = sign | 0x7e;
        } else {
            // In units of the last place: 2^-9 below 2^-6, else 2^(exponent - 3).
            int exponent = 0;
            if (size > 0) frexpf(size, &exponent);
            exponent = std::max(exponent - 1, -6);
            int steps = int(nearbyintf(ldexpf(size, 3 - exponent)));
            if (steps == 16) {
                steps = 8;
                exponent++;
            }
            bits = sign | uint8_t(steps < 8 ? steps : (exponent + 7) << 3 | (steps - 8));
        }
    }
    explicit operator float() const {
        int exponent = bits >> 3 & 15, mantissa = bits & 7;
        float size = (bits & 0x7f) == 0x7f ? NAN : exponent == 0 ? ldexpf(float(mantissa), -9) : ldexpf(float(8 + mantissa), exponent - 10);
        return bits & 0x80 ? -size : size;
    }
};
