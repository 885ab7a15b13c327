#include "bits.h"
#include "multiversion.h"

#define LANES 16

MULTIVERSION float cn_absmax_finite(const float *x, size_t n, int *nonfinite) {
    uint32_t best = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t a = bits_of(x[i]) & MAGNITUDE;
        uint32_t finite = a < INFINITE ? a : 0;
        best = finite > best ? finite : best;
        worst = a > worst ? a : worst;
    }
    *nonfinite = worst >= INFINITE;
    return float_of(best);
}

// A fixed number of lanes, summed in a fixed order, so that every CPU gives the same bits.
#define LANE_SUM(NAME, REAL, TERM)                                                                                              \
    MULTIVERSION double NAME(const REAL *x, size_t n) {                                                                         \
        double lane[LANES] = {0};                                                                                               \
        size_t i = 0;                                                                                                           \
        for (; i + LANES <= n; i += LANES)                                                                                      \
            for (size_t j = 0; j < LANES; j++) {                                                                                \
                double v = (double)x[i + j];                                                                                    \
                lane[j] += TERM;                                                                                                \
            }                                                                                                                   \
        for (size_t j = 0; i + j < n; j++) {                                                                                    \
            double v = (double)x[i + j];                                                                                        \
            lane[j] += TERM;                                                                                                    \
        }                                                                                                                       \
        double sum = 0;                                                                                                         \
        for (size_t j = 0; j < LANES; j++) sum += lane[j];                                                                      \
        return sum;                                                                                                             \
    }
LANE_SUM(cn_sum_abs_f32, float, (v < 0 ? -v : v))
LANE_SUM(cn_sum_squares_f32, float, v *v)
LANE_SUM(cn_sum_squares_f64, double, v *v)
LANE_SUM(cn_sum_f32, float, v)
LANE_SUM(cn_sum_f64, double, v)

MULTIVERSION int cn_all_finite_f32(const float *x, size_t n) {
    uint32_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t a = bits_of(x[i]) & MAGNITUDE;
        worst = a > worst ? a : worst;
    }
    return worst < INFINITE;
}

MULTIVERSION int cn_all_finite_f64(const double *x, size_t n) {
    uint64_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t u;
        memcpy(&u, &x[i], 8);
        u &= 0x7fffffffffffffffull;
        worst = u > worst ? u : worst;
    }
    return worst < 0x7ff0000000000000ull;
}
