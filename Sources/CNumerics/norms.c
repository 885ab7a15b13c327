#include "cnkernels.h"
#include "lanes.h"
#include "multiversion.h"

#define LANES 16
#define EPSILON 1e-5f
// Sums of TERM over a row in a fixed number of lanes, so that every CPU gives the same bits; pairwise in the end.
#define ROW_SUM(SUM, TERM)                                                                                                      \
    do {                                                                                                                        \
        float lane[2 * LANES] = {0};                                                                                            \
        size_t j0 = 0;                                                                                                          \
        for (; j0 + 2 * LANES <= width; j0 += 2 * LANES)                                                                        \
            for (size_t l = 0; l < 2 * LANES; l++) {                                                                            \
                size_t j = j0 + l;                                                                                              \
                lane[l] += TERM;                                                                                                \
            }                                                                                                                   \
        if (j0 < width) {                                                                                                       \
            float rest[2 * LANES] = {0};                                                                                        \
            for (size_t l = 0; j0 + l < width; l++) {                                                                           \
                size_t j = j0 + l;                                                                                              \
                rest[l] = TERM;                                                                                                 \
            }                                                                                                                   \
            for (size_t l = 0; l < 2 * LANES; l++) lane[l] += rest[l];                                                          \
        }                                                                                                                       \
        SUM = lanes_sum(lane);                                                                                                  \
    } while (0)

// Two passes over a row that lies in the cache: the variance of the deviations, not a difference of large squares.
MULTIVERSION void cn_layernorm_f32(
    const float *restrict x, const float *restrict gain, const float *restrict bias, float *restrict y, float *restrict statistics,
    cn_rows s) {
    size_t width = s.width;
    for (size_t i = 0; i < s.rows; i++, x += width, y += width) {
        float sum, square;
        ROW_SUM(sum, x[j]);
        float mean = sum / (float)width;
        ROW_SUM(square, (x[j] - mean) * (x[j] - mean));
        float inverse = 1 / __builtin_sqrtf(square / (float)width + EPSILON);
        statistics[2 * i] = mean;
        statistics[2 * i + 1] = inverse;
        for (size_t j = 0; j < width; j++) y[j] = (x[j] - mean) * inverse * gain[j] + bias[j];
    }
}

MULTIVERSION void cn_rmsnorm_f32(
    const float *restrict x, const float *restrict gain, float *restrict y, float *restrict statistics, cn_rows s) {
    size_t width = s.width;
    for (size_t i = 0; i < s.rows; i++, x += width, y += width) {
        float square;
        ROW_SUM(square, x[j] * x[j]);
        float inverse = 1 / __builtin_sqrtf(square / (float)width + EPSILON);
        statistics[i] = inverse;
        for (size_t j = 0; j < width; j++) y[j] = x[j] * inverse * gain[j];
    }
}

// Compilers honour `restrict` on parameters only, so the buffers are unpacked into a call that is inlined.
#define UNPACKED                                                                                                                \
    const float *restrict dy, const float *restrict x, const float *restrict gain, const float *restrict statistics,            \
        float *restrict dx, float *restrict dgain, float *restrict dbias, cn_rows s
#define UNPACK(B) (B)->dy, (B)->x, (B)->gain, (B)->statistics, (B)->dx, (B)->dgain, (B)->dbias
#define INLINED static inline __attribute__((always_inline))

// With z = (x - mean) inverse and d = dy gain: dx = inverse (d - (sum d + z sum(d z)) / width). One pass takes both sums and adds to the
// parameters' gradients, one writes dx.
INLINED void layernorm_backward(UNPACKED) {
    size_t width = s.width;
    for (size_t i = 0; i < s.rows; i++, x += width, dy += width, dx += width) {
        float mean = statistics[2 * i], inverse = statistics[2 * i + 1];
        float sums[LANES] = {0}, dots[LANES] = {0};
        size_t j = 0;
        for (; j + LANES <= width; j += LANES)
            for (size_t l = 0; l < LANES; l++) {
                float z = (x[j + l] - mean) * inverse, g = dy[j + l], d = g * gain[j + l];
                dgain[j + l] += g * z;
                dbias[j + l] += g;
                sums[l] += d;
                dots[l] += d * z;
            }
        for (size_t l = 0; j + l < width; l++) {
            float z = (x[j + l] - mean) * inverse, g = dy[j + l], d = g * gain[j + l];
            dgain[j + l] += g * z;
            dbias[j + l] += g;
            sums[l] += d;
            dots[l] += d * z;
        }
        for (size_t h = LANES / 2; h > 0; h /= 2)
            for (size_t l = 0; l < h; l++) {
                sums[l] += sums[l + h];
                dots[l] += dots[l + h];
            }
        float shift = sums[0] / (float)width, slope = dots[0] / (float)width;
        for (j = 0; j < width; j++) dx[j] = inverse * (dy[j] * gain[j] - shift - (x[j] - mean) * inverse * slope);
    }
}

// With z = x inverse and d = dy gain: dx = inverse (d - z sum(d z) / width).
INLINED void rmsnorm_backward(UNPACKED) {
    (void)dbias;
    size_t width = s.width;
    for (size_t i = 0; i < s.rows; i++, x += width, dy += width, dx += width) {
        float inverse = statistics[i], dot = 0;
        ROW_SUM(dot, dy[j] * gain[j] * (x[j] * inverse));
        float slope = dot / (float)width;
        for (size_t j = 0; j < width; j++) {
            float z = x[j] * inverse;
            dgain[j] += dy[j] * z;
            dx[j] = inverse * (dy[j] * gain[j] - z * slope);
        }
    }
}

MULTIVERSION void cn_layernorm_backward_f32(const cn_norm_backward *b, cn_rows s) { layernorm_backward(UNPACK(b), s); }
MULTIVERSION void cn_rmsnorm_backward_f32(const cn_norm_backward *b, cn_rows s) { rmsnorm_backward(UNPACK(b), s); }
