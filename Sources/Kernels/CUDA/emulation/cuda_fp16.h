// IEEE half precision on the CPU, by the compiler's own type.
#pragma once
#include "cuda_runtime.h"

struct __half {
    _Float16 value = 0;
    __half() = default;
    explicit __half(float x) : value(_Float16(x)) {}
    explicit operator float() const { return float(value); }
};
inline float __half2float(__half x) { return float(x); }
inline __half __float2half_rn(float x) { return __half(x); }
